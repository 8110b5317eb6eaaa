/** The only import of xterm, loaded when the first terminal is shown: one screen, its keys, its look. */
import { FitAddon } from '@xterm/addon-fit';
import { Terminal } from '@xterm/xterm';
import type { Screen, ScreenEvents } from '../../domain/terminal-screen.ts';
import { cleanPaste, cleanTitle, gapText, linkAddress } from '../../domain/terminal-text.ts';
import { withSheets } from './screen-styles.ts';
import { onThemeChange, screenTheme } from './screen-theme.ts';

const SCROLLBACK_LINES = 5000;
const LEAST_COLUMNS = 20;
const LEAST_ROWS = 4;
/** Ours; the contrast theme asks for more. */
const CONTRAST = 4.5;
const HIGH_CONTRAST = 7;

const token = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const latin1 = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0));

export function createScreen(events: ScreenEvents): Screen {
  const place = document.createElement('div');
  place.className = 'terminal-screen';
  const isHighContrast = (): boolean => document.documentElement.dataset['theme'] === 'contrast';
  const contrast = (): number => (isHighContrast() ? HIGH_CONTRAST : CONTRAST);
  const terminal = new Terminal({
    fontFamily: token('--font-mono'),
    fontSize: 12,
    lineHeight: 1.2,
    scrollback: SCROLLBACK_LINES,
    cursorBlink: false,
    theme: screenTheme(token),
    minimumContrastRatio: contrast(),
    // A link shows one text and may lead anywhere: what it leads to is told, and nothing is opened.
    linkHandler: {
      activate: (_event, text) => {
        const address = linkAddress(text);
        if (address !== null) events.onLink(address);
      },
    },
    logLevel: 'off',
  });
  const fitter = new FitAddon();
  terminal.loadAddon(fitter);
  // A program may not write into the clipboard of whoever looks at it (OSC 52), nor ask what is in there.
  terminal.parser.registerOscHandler(52, () => true);
  terminal.onData((text) => events.onInput(new TextEncoder().encode(text)));
  terminal.onBinary((text) => events.onInput(latin1(text)));
  terminal.onTitleChange((title) => events.onTitle(cleanTitle(title)));
  terminal.onResize(({ cols, rows }) => events.onResize({ columns: cols, rows }));
  terminal.attachCustomKeyEventHandler((event) => {
    if (events.isWindowKey(event)) return false;
    const isCopy = event.ctrlKey && event.shiftKey && event.code === 'KeyC';
    if (isCopy && event.type === 'keydown') {
      event.preventDefault();
      if (terminal.hasSelection()) events.onCopy(terminal.getSelection());
    }
    return !isCopy;
  });
  // Before xterm's own listener: it would paste whatever comes.
  place.addEventListener(
    'paste',
    (event) => {
      event.preventDefault();
      event.stopPropagation();
      const text = cleanPaste(event.clipboardData?.getData('text/plain') ?? '');
      if (text === '' || terminal.options.disableStdin === true) return;
      events.onPaste(text, terminal.modes.bracketedPasteMode, () => terminal.paste(text));
    },
    true,
  );
  const unwatch = onThemeChange(() => {
    terminal.options.theme = screenTheme(token);
    terminal.options.minimumContrastRatio = contrast();
  });
  let opened = false;
  const fit = (): void => {
    const wanted = place.isConnected ? fitter.proposeDimensions() : undefined;
    if (wanted === undefined || Number.isNaN(wanted.cols) || Number.isNaN(wanted.rows)) return;
    terminal.resize(Math.max(LEAST_COLUMNS, wanted.cols), Math.max(LEAST_ROWS, wanted.rows));
  };
  return {
    get size() {
      return { columns: terminal.cols, rows: terminal.rows };
    },
    mount(parent) {
      parent.replaceChildren(place);
      if (!opened) {
        opened = true;
        withSheets(() => terminal.open(place));
      }
      fit();
    },
    fit,
    focus: () => terminal.focus(),
    setInert(inert) {
      terminal.options.disableStdin = inert;
    },
    setLabel: (label) => terminal.textarea?.setAttribute('aria-label', label),
    setReader(on) {
      terminal.options.screenReaderMode = on;
    },
    write: (bytes, done) => terminal.write(bytes, done),
    // CAN first: it may come in the middle of a sequence.
    gap: (bytes) => terminal.write(`\u0018\u001b[0m\r\n\u001b[7m ${gapText(bytes)} \u001b[0m\r\n`),
    dispose() {
      unwatch();
      terminal.dispose();
      place.remove();
    },
  };
}
