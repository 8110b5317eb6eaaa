/** What a terminal is drawn on, for those who know no xterm. Types only. */
import type { StreamSink } from './terminal-stream.ts';

export interface ScreenEvents {
  /** Typed, or answered by the terminal to a program's question. */
  onInput(bytes: Uint8Array): void;
  onTitle(title: string): void;
  onResize(size: ScreenSize): void;
  /** A link was pressed; only http and https ones are told. */
  onLink(address: string): void;
  onCopy(text: string): void;
  /** Something is to be pasted; `bracketed`: the program knows what is pasted and what is typed. */
  onPaste(text: string, bracketed: boolean, paste: () => void): void;
  /** True: this key is the window's. */
  isWindowKey(event: KeyboardEvent): boolean;
}

export interface ScreenSize {
  readonly columns: number;
  readonly rows: number;
}

export interface Screen extends StreamSink {
  readonly size: ScreenSize;
  /** Shows it in there, at the size that there is room for. */
  mount(parent: HTMLElement): void;
  fit(): void;
  focus(): void;
  /** Nothing can be typed. */
  setInert(inert: boolean): void;
  setLabel(label: string): void;
  /** Lines are read out by screen readers. */
  setReader(on: boolean): void;
  dispose(): void;
}
