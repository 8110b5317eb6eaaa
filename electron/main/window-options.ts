/** The options of every window, as a pure function: what is not here stays at Electron's safe defaults. */
import type { BrowserWindowConstructorOptions, Rectangle } from 'electron';

export const MIN_WIDTH = 1024;
export const MIN_HEIGHT = 700;
export const VERSION_FLAG = '--tranche-version=';

export interface WindowInput {
  readonly preloadPath: string;
  readonly appVersion: string;
  readonly dark: boolean;
  readonly bounds: Rectangle | null;
}

export function windowOptions(input: WindowInput): BrowserWindowConstructorOptions {
  return {
    title: 'Tranche',
    width: 1440,
    height: 900,
    ...input.bounds,
    minWidth: MIN_WIDTH,
    minHeight: MIN_HEIGHT,
    // Shown when drawn; until then the canvas colour of the theme, so that nothing flashes.
    show: false,
    backgroundColor: input.dark ? '#111214' : '#f1f1ee',
    webPreferences: {
      preload: input.preloadPath,
      contextIsolation: true,
      sandbox: true,
      nodeIntegration: false,
      webviewTag: false,
      spellcheck: false,
      additionalArguments: [`${VERSION_FLAG}${input.appVersion}`],
    },
  };
}
