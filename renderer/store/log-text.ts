/**
 * What programs write, as lines that can be shown: colours and cursor play are dropped, a progress bar is what it last
 * was, and nothing that is left can act on the page or turn its writing around. Fed in pieces; pure.
 */

/** What one view keeps; `tranche job log` has all of it. */
export const LINES_MAX = 4000;
const LINE_MAX_CHARS = 4000;
/** An escape sequence that has not ended by then is none. */
const ESCAPE_MAX_CHARS = 256;

const REPLACEMENT = '\uFFFD';
/** Marks, embeddings, overrides and isolates; line separators; the invisible U+FEFF. */
const UNSAFE = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/;

type State = 'text' | 'escape' | 'csi' | 'string' | 'string-escape';

export class LogText {
  /** Finished lines that are kept, and how many went before them. */
  #lines: string[] = [];
  #dropped = 0;
  #line = '';
  #returned = false;
  #state: State = 'text';
  #escapeChars = 0;

  /** The last line may still grow. */
  get lines(): readonly string[] {
    return this.#line === '' ? this.#lines : [...this.#lines, this.#line];
  }

  get dropped(): number {
    return this.#dropped;
  }

  push(text: string): void {
    for (const char of text) this.#take(char);
    const over = this.#lines.length - LINES_MAX;
    if (over <= 0) return;
    this.#lines = this.#lines.slice(over);
    this.#dropped += over;
  }

  #take(char: string): void {
    if (this.#state !== 'text') {
      this.#escape(char);
    } else if (char === '\n') {
      this.#lines.push(this.#line);
      this.#line = '';
      this.#returned = false;
    } else if (char === '\r') {
      this.#returned = true;
    } else if (char === '\u001b') {
      this.#state = 'escape';
      this.#escapeChars = 0;
    } else if (char === '\b') {
      this.#line = this.#line.slice(0, -1);
    } else if (char !== '\u0007') {
      this.#put(char === '\t' || (char >= ' ' && !UNSAFE.test(char)) ? char : REPLACEMENT);
    }
  }

  #put(char: string): void {
    // A carriage return writes over the line: what was there goes when something new comes.
    if (this.#returned) this.#line = '';
    this.#returned = false;
    if (this.#line.length < LINE_MAX_CHARS) this.#line += char;
    else if (!this.#line.endsWith('…')) this.#line += '…';
  }

  /** ESC [ … letter, ESC ] … BEL or ESC \, and the short ones. */
  #escape(char: string): void {
    this.#escapeChars += 1;
    if (this.#escapeChars > ESCAPE_MAX_CHARS || char === '\n') {
      this.#state = 'text';
      if (char === '\n') this.#take(char);
      return;
    }
    switch (this.#state) {
      case 'escape':
        this.#state =
          char === '[' ? 'csi' : /[\]PX^_]/.test(char) ? 'string' : /[ -/]/.test(char) ? 'escape' : 'text';
        break;
      case 'csi':
        if (char >= '@' && char <= '~') this.#state = 'text';
        break;
      case 'string':
        if (char === '\u0007') this.#state = 'text';
        if (char === '\u001b') this.#state = 'string-escape';
        break;
      case 'string-escape':
        this.#state = char === '\\' ? 'text' : 'string';
        break;
      case 'text':
        break;
    }
  }
}

/** The lines in which it stands, whatever their case. */
export function filterLines(lines: readonly string[], wanted: string): readonly string[] {
  const needle = wanted.trim().toLowerCase();
  return needle === '' ? lines : lines.filter((line) => line.toLowerCase().includes(needle));
}
