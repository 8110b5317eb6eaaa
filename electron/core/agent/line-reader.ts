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

  /** `maxLength` in UTF-16 units: never less than the line has bytes. */
  constructor(maxLength: number) {
    this.maxLength = maxLength;
  }

  /** Complete lines in `chunk`; throws LineTooLongError when one exceeds the cap. */
  push(chunk: Buffer): readonly string[] {
    const pieces = this.decoder.write(chunk).split('\n');
    pieces[0] = this.rest + (pieces[0] ?? '');
    this.rest = pieces.pop() ?? '';
    if (this.rest.length > this.maxLength || pieces.some((line) => line.length > this.maxLength)) {
      this.rest = '';
      throw new LineTooLongError(this.maxLength);
    }
    return pieces;
  }
}
