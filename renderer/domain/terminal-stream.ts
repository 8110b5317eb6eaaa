/** What one terminal says, by offset: each byte once and in order, a gap where some are no longer kept. Pure. */

/** So much more than was acknowledged and is on the screen is worth a request; the host waits at 64 KiB. */
export const ACK_BYTES = 16 * 1024;

export interface StreamSink {
  /** `done` when it is on the screen. */
  write(bytes: Uint8Array, done: () => void): void;
  /** That many bytes cannot be had any more. */
  gap(bytes: number): void;
}

export class TerminalStream {
  readonly #sink: StreamSink;
  /** Tells the host; false: it was not heard. */
  readonly #ack: (offset: number) => Promise<boolean>;
  /** Where what was handed to the screen ends; null: nothing was yet. */
  #at: number | null = null;
  #shown = 0;
  #acked = 0;
  #acking = false;
  #awaits = false;
  #replayEnd = 0;

  constructor(sink: StreamSink, ack: (offset: number) => Promise<boolean>) {
    this.#sink = sink;
    this.#ack = ack;
  }

  /** From where to ask. What comes before the answer belongs to somebody who asked before. */
  ask(): number | null {
    this.#awaits = true;
    return this.#at;
  }

  /** What is drawn was said before we came: questions in it were answered long ago. */
  get replaying(): boolean {
    return this.#at === null || this.#shown < this.#replayEnd;
  }

  attached(offset: number, endOffset: number): void {
    if (!this.#awaits) return; // another window asked
    this.#awaits = false;
    if (this.#at === null) {
      this.#at = offset;
      this.#shown = offset;
      this.#replayEnd = endOffset;
      if (offset > 0) this.#sink.gap(offset);
    }
    this.#acked = this.#at;
  }

  output(offset: number, bytes: Uint8Array): void {
    const at = this.#at;
    const end = offset + bytes.length;
    if (this.#awaits || at === null || end <= at) return;
    if (offset > at) this.#sink.gap(offset - at);
    this.#at = end;
    this.#sink.write(offset < at ? bytes.subarray(at - offset) : bytes, () => {
      this.#shown = end;
      void this.#acknowledge();
    });
  }

  async #acknowledge(): Promise<void> {
    const offset = this.#shown;
    if (this.#acking || this.#awaits || offset - this.#acked < ACK_BYTES) return;
    this.#acking = true;
    const heard = await this.#ack(offset);
    this.#acking = false;
    if (!heard) return;
    this.#acked = Math.max(this.#acked, offset);
    void this.#acknowledge();
  }
}
