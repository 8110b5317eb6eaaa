/** A child process as a stream: what is written goes to its stdin, what is read is its stdout. Its stderr is kept, bounded. */
import { spawn, type ChildProcess } from 'node:child_process';
import { Duplex, PassThrough } from 'node:stream';
import { plainText } from './plain-text.ts';

const STDERR_MAX = 8_192;
/** What has been written before a process ended is read within this time. */
const LAST_WORDS_MS = 200;
/** What a child gets to end by itself once its stdin is closed, before it is ended. */
const END_GRACE_MS = 2_000;

export class ProcessStream extends Duplex {
  readonly child: ChildProcess;
  readonly stderr = new PassThrough();
  /** null while it runs, and when a signal ended it. */
  exitCode: number | null = null;
  private said = '';

  constructor(
    command: string,
    args: readonly string[],
    options: { readonly env?: NodeJS.ProcessEnv; readonly shell?: boolean; readonly detached?: boolean } = {},
  ) {
    // allowHalfOpen: a command's output goes on after its input has ended.
    super({ allowHalfOpen: true, emitClose: true, autoDestroy: true });
    const child = spawn(command, [...args], {
      stdio: ['pipe', 'pipe', 'pipe'],
      windowsHide: true,
      env: options.env ?? process.env,
      ...(options.shell === true ? { shell: true } : {}),
      // A session of its own: no terminal of ours to ask on.
      ...(options.detached === true ? { detached: true } : {}),
    });
    this.child = child;
    child.stdout.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) child.stdout.pause();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      this.said = (this.said + chunk.toString('utf8')).slice(-STDERR_MAX);
      this.stderr.write(chunk);
    });
    this.stderr.resume(); // read by nobody, it must not fill up
    child.stdin.on('error', () => undefined); // it ended before it read everything: 'close' tells
    child.on('error', (error) => {
      this.destroy(error); // it could not be started
    });
    // The end of the stream is the end of the process, so that what it said is there when somebody asks why. A child
    // of its own may hold its stderr open for ever (ControlPersist): that is not waited for.
    let over = false;
    const finish = () => {
      if (over) return;
      over = true;
      this.stderr.end();
      this.push(null);
      // What still waits to be written has no reader any more.
      this.once('end', () => this.destroy());
    };
    child.on('exit', (code) => {
      this.exitCode = code;
      setTimeout(finish, LAST_WORDS_MS).unref();
    });
    child.on('close', finish);
  }

  /** The end of what it said on stderr. */
  get lastWords(): string {
    return plainText(this.said).trim();
  }

  override _read(): void {
    this.child.stdout?.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    const { stdin } = this.child;
    if (!stdin || stdin.destroyed) callback(new Error('the command has ended'));
    else if (stdin.write(chunk)) callback();
    else stdin.once('drain', callback);
  }

  override _final(callback: () => void): void {
    this.child.stdin?.end();
    callback();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    const { child } = this;
    if (child.exitCode === null && child.signalCode === null) {
      child.stdin?.destroy();
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), END_GRACE_MS);
      timer.unref();
      child.once('close', () => {
        clearTimeout(timer);
      });
    }
    callback(error);
  }
}
