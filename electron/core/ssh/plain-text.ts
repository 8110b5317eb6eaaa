/** Text of a server, on its way to the screen: no control or direction characters, and no more than a screen can take. */

const LENGTH_MAX = 2_000;
/** Controls but newline and tab, what turns the direction of reading, and what takes no room. */
const UNSEEN =
  // oxlint-disable-next-line no-control-regex
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** Newlines and tabs stay. Terminal escapes lose their ESC, so what is left of them is visible and harmless. */
export function plainText(text: string): string {
  const plain = text.replace(/\r\n?/g, '\n').replace(UNSEEN, '');
  return plain.length > LENGTH_MAX ? `${plain.slice(0, LENGTH_MAX)}…` : plain;
}
