/** Hands a file to the user: the browser's own download, which under Electron asks where to put it. */
export function saveFile(name: string, content: Blob): void {
  const url = URL.createObjectURL(content);
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  // The download has read the blob's address by then; the blob itself lives until it is written.
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

export const saveText = (name: string, mime: string, text: string): void =>
  saveFile(name, new Blob([text], { type: `${mime};charset=utf-8` }));
