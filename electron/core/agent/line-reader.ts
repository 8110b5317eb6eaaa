/** Splits a byte stream into lines of UTF-8, never holding more than one capped line. */
import { StringDecoder } from 'node:string_decoder';

export class LineTooLongError extends Error {
  constructor(maxBytes: number) {
    super(`a line is longer than ${String(maxBytes)} bytes`);
  }
}

export class LineReader {
  private readonly decoder = new StringDecoder('utf8');
  private readonly maxLength: number;
  private rest = '';
  private skips: boolean;
  /** Inside a line that was too long and is passed over. */
  private skipping = false;

  /**
   * `maxLength` in UTF-16 units: never less than the line has bytes. `skips`: a longer line is passed over, for as long
   * as it is not known who speaks; `strict()` ends that.
   */
  constructor(maxLength: number, skips = false) {
    this.maxLength = maxLength;
    this.skips = skips;
  }

  /** From now on a line that is too long is an error. */
  strict(): void {
    this.skips = false;
  }

  /** Complete lines in `chunk`; throws LineTooLongError when one exceeds the cap and none may. */
  push(chunk: Buffer): readonly string[] {
    const pieces = this.decoder.write(chunk).split('\n');
    pieces[0] = this.rest + (pieces[0] ?? '');
    this.rest = pieces.pop() ?? '';
    const tooLong = (line: string): boolean => line.length > this.maxLength;
    if (!this.skips && (tooLong(this.rest) || pieces.some(tooLong))) {
      this.rest = '';
      throw new LineTooLongError(this.maxLength);
    }
    if (this.skipping && pieces.length > 0) {
      pieces.shift();
      this.skipping = false;
    }
    if (this.skipping || tooLong(this.rest)) {
      this.skipping = true;
      this.rest = '';
    }
    return this.skips ? pieces.filter((line) => !tooLong(line)) : pieces;
  }
}
