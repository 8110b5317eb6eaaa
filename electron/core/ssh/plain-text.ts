/** Text of a server, on its way to the screen: no control or direction characters, and no more than a screen can take. */

const LENGTH_MAX = 2_000;

/** Newlines and tabs stay. Terminal escapes lose their ESC, so what is left of them is visible and harmless. */
export function plainText(text: string): string {
  const plain = text
    .replace(/\r\n?/g, '\n')
    // oxlint-disable-next-line no-control-regex
    .replace(
      /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
      '',
    );
  return plain.length > LENGTH_MAX ? `${plain.slice(0, LENGTH_MAX)}…` : plain;
}
