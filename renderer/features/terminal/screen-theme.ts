/** A terminal's colours out of our tokens: ink on paper, hues of owners, and trouble's for red and yellow. */

export interface ScreenTheme {
  readonly background: string;
  readonly foreground: string;
  readonly cursor: string;
  readonly cursorAccent: string;
  readonly selectionBackground: string;
  readonly black: string;
  readonly red: string;
  readonly green: string;
  readonly yellow: string;
  readonly blue: string;
  readonly magenta: string;
  readonly cyan: string;
  readonly white: string;
  readonly brightBlack: string;
  readonly brightRed: string;
  readonly brightGreen: string;
  readonly brightYellow: string;
  readonly brightBlue: string;
  readonly brightMagenta: string;
  readonly brightCyan: string;
  readonly brightWhite: string;
}

export function screenTheme(token: (name: string) => string): ScreenTheme {
  const hues = {
    red: token('--bad'),
    green: token('--owner-8'),
    yellow: token('--warn'),
    blue: token('--owner-1'),
    magenta: token('--owner-2'),
    cyan: token('--owner-3'),
  };
  return {
    background: token('--surface'),
    foreground: token('--ink-1'),
    cursor: token('--ink-1'),
    cursorAccent: token('--surface'),
    selectionBackground: token('--selected'),
    ...hues,
    black: token('--ink-2'),
    white: token('--ink-2'),
    brightBlack: token('--ink-3'),
    brightWhite: token('--ink-1'),
    brightRed: hues.red,
    brightGreen: hues.green,
    brightYellow: hues.yellow,
    brightBlue: hues.blue,
    brightMagenta: hues.magenta,
    brightCyan: hues.cyan,
  };
}

/** Calls back when the page's look changes. Returns its own undo. */
export function onThemeChange(changed: () => void): () => void {
  const observer = new MutationObserver(changed);
  observer.observe(document.documentElement, { attributeFilter: ['data-theme'] });
  return () => observer.disconnect();
}
