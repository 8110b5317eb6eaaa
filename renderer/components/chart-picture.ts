/** A chart as a picture on paper: its title above, so that it can stand alone in a message. */
const MARGIN_PX = 12;
const TITLE_PX = 22;

export function chartPicture(canvas: HTMLCanvasElement, title: string): Promise<Blob | null> {
  const scale = canvas.width / Math.max(1, canvas.clientWidth);
  const picture = document.createElement('canvas');
  picture.width = canvas.width + 2 * MARGIN_PX * scale;
  picture.height = canvas.height + (2 * MARGIN_PX + TITLE_PX) * scale;
  const ctx = picture.getContext('2d');
  if (ctx === null) return Promise.resolve(null);
  const style = getComputedStyle(document.documentElement);
  const token = (name: string): string => style.getPropertyValue(name).trim();
  ctx.fillStyle = token('--surface');
  ctx.fillRect(0, 0, picture.width, picture.height);
  ctx.fillStyle = token('--ink-1');
  ctx.font = `600 ${String(13 * scale)}px ${token('--font-ui') || 'sans-serif'}`;
  ctx.textBaseline = 'top';
  ctx.fillText(title, MARGIN_PX * scale, MARGIN_PX * scale);
  ctx.drawImage(canvas, MARGIN_PX * scale, (MARGIN_PX + TITLE_PX) * scale);
  return new Promise((resolve) => picture.toBlob(resolve, 'image/png'));
}

/** false: the system refused the clipboard. */
export async function copyPicture(picture: Blob): Promise<boolean> {
  try {
    await navigator.clipboard.write([new ClipboardItem({ [picture.type]: picture })]);
    return true;
  } catch {
    return false;
  }
}
