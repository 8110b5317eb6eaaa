/**
 * One run of the system's ssh with a /bin/sh at its other end, which runs one script after the other: each ssh is a
 * sign-in, perhaps with a touch of a security key, so its shell is used for as long as it is free.
 *
 * Each script is one line list `( script ); …` to the shell, parsed to its end before any of it runs. What a caller
 * writes to a script that it has opened must never be read by that shell, or a name in a request would be a command:
 * unless the script says that it gave its stdin to nobody (SHELL_FREE_CODE), the shell ends with it.
 */
import { randomBytes } from 'node:crypto';
import { Duplex, PassThrough } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { ProcessStream } from './process-stream.ts';
import { EMPTY_LINES, SHELL_FREE_CODE } from './shell.ts';

const GREETING_MAX = 2_000;

/** What a script's stdout and stdin are to the caller. */
export class ScriptChannel extends Duplex {
  readonly stderr = new PassThrough();
  /** null until the script has ended, and when the link ended instead. */
  exitCode: number | null = null;
  private readonly shell: SystemShell;
  private spoken = false;
  private onSpoken: (() => void) | null = null;
  readonly isInteractive: boolean;

  constructor(shell: SystemShell, isInteractive: boolean) {
    super({ allowHalfOpen: true });
    this.shell = shell;
    this.isInteractive = isInteractive;
  }

  /** It has said something, or has ended. */
  hasSpoken(): void {
    this.spoken = true;
    const waiting = this.onSpoken;
    this.onSpoken = null;
    waiting?.();
  }

  override _read(): void {
    this.shell.process.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    // A shell reads ahead. Once its script speaks it has been read to its end, and what comes then is the script's.
    if (!this.spoken && this.exitCode === null)
      this.onSpoken = () => {
        this._write(chunk, _encoding, callback);
      };
    else if (!this.isInteractive || this.exitCode !== null) callback(new Error('the script has ended'));
    else if (this.shell.process.write(chunk)) callback();
    else this.shell.process.once('drain', callback);
  }

  override _final(callback: () => void): void {
    // The end of a caller's input cannot be told without ending the shell: it is told by ending it.
    if (this.isInteractive && this.exitCode === null) this.shell.process.end();
    callback();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    if (this.exitCode === null) this.shell.abandon();
    callback(error);
  }
}

export class SystemShell {
  readonly process: ProcessStream;
  private readonly mark: string;
  private readonly decoder = new StringDecoder('latin1');
  private readonly onEnd: (shell: SystemShell) => void;
  private current: ScriptChannel | null = null;
  private held = '';
  private upWaiter: ((up: boolean) => void) | null = null;
  private ended = false;
  /** What came while no script ran: the login shell's greeting, or what runs there instead of a shell. */
  greeting = '';
  /** Its script had its stdin: the shell ends too, and what is still written is read by nobody. */
  private leaving = false;
  private abandoned = false;

  constructor(process: ProcessStream, onEnd: (shell: SystemShell) => void) {
    this.process = process;
    this.onEnd = onEnd;
    this.mark = `@tranche-end ${randomBytes(12).toString('hex')} `;
    process.on('data', (chunk: Buffer) => {
      this.receive(this.held + this.decoder.write(chunk));
    });
    process.stderr.on('data', (chunk: Buffer) => this.current?.stderr.write(chunk));
    process.on('error', () => undefined); // 'close' follows
    process.on('close', () => {
      this.ended = true;
      this.upWaiter?.(false);
      const { current } = this;
      this.current = null;
      if (current) {
        current.stderr.end();
        current.push(null);
        current.destroy();
      }
      this.onEnd(this);
    });
  }

  get isFree(): boolean {
    return !this.ended && !this.leaving && this.current === null;
  }
  get hasEnded(): boolean {
    return this.ended;
  }

  get isAbandoned(): boolean {
    return this.abandoned;
  }

  /** Ends it because its script is not wanted any more: no loss of the host. */
  abandon(): void {
    this.abandoned = !this.ended;
    this.process.destroy();
  }

  /** Resolves true when the shell at the other end answers, false when ssh ended before. */
  up(): Promise<boolean> {
    return new Promise((resolve) => {
      this.upWaiter = resolve;
      if (this.ended) resolve(false);
      else this.process.write(`${EMPTY_LINES}printf '%s0\\n' '${this.mark}'\n`);
    });
  }

  /** The shell must be free. `interactive`: the caller goes on writing to what the script execs. */
  start(script: string, interactive: boolean): ScriptChannel {
    const channel = new ScriptChannel(this, interactive);
    this.current = channel;
    const after = interactive ? `; [ $code -eq ${String(SHELL_FREE_CODE)} ] || exit $code` : '';
    const stdin = interactive ? '' : ' </dev/null';
    this.process.write(`(\n${script}\n)${stdin}; code=$?; printf '%s%d\\n' '${this.mark}' $code${after}\n`);
    return channel;
  }

  private receive(text: string): void {
    const at = text.indexOf(this.mark);
    if (at === -1) {
      // A mark may have come in part: only what could begin one is held back.
      let keep = Math.min(this.mark.length - 1, text.length);
      while (keep > 0 && !this.mark.startsWith(text.slice(text.length - keep))) keep -= 1;
      this.held = text.slice(text.length - keep);
      this.pass(text.slice(0, text.length - keep));
      return;
    }
    const end = text.indexOf('\n', at);
    this.pass(text.slice(0, at));
    if (end === -1) {
      this.held = text.slice(at);
      return;
    }
    this.held = '';
    this.finish(Number(text.slice(at + this.mark.length, end)));
    if (end + 1 < text.length) this.receive(text.slice(end + 1));
  }

  private pass(text: string): void {
    if (text === '') return;
    if (!this.current) {
      this.greeting = (this.greeting + text).slice(-GREETING_MAX);
      return;
    }
    this.current.hasSpoken();
    if (!this.current.push(Buffer.from(text, 'latin1'))) this.process.pause();
  }

  private finish(code: number): void {
    if (this.upWaiter) {
      this.upWaiter(true);
      this.upWaiter = null;
      return;
    }
    const { current } = this;
    this.current = null;
    if (!current) return;
    this.leaving = current.isInteractive && code !== SHELL_FREE_CODE;
    current.exitCode = code;
    current.hasSpoken();
    current.stderr.end(); // what it said there may come later, and is ssh's last words then
    current.push(null);
    // It may have been held up by a reader that is done now.
    this.process.resume();
  }
}
