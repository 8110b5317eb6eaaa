/** What a channel brings before it is the agent's: what login files print, the attach script's own lines, its stderr. */
import { fail, ok, type Failure, type Result } from '../../../model/errors.ts';
import { plainText } from '../ssh/plain-text.ts';

/** Agent start (3 s) and a slow login shell. */
export const BANNER_TIMEOUT_MS = 15_000;
/** What may come before a script speaks: a long message of the day, and then some. */
const GREETING_MAX_BYTES = 16 << 20;
/** More than a script says, with every version there ever was. */
const MARKED_MAX = 200;
/** What login files print is kept for the details of an error only. */
const SEEN_MAX_LINES = 40;
const SEEN_LINE_MAX = 200;
const STDERR_MAX = 4096;
const REASON_MAX = 200;

/** What stands last in a text, as the cause that a sentence may name. */
const lastLine = (text: string): string => plainText(text).trim().split('\n').at(-1) ?? '';

export class Greeting {
  /** What the script said about itself, without its mark. */
  readonly marked: string[] = [];
  private readonly seen: string[] = [];
  private readonly banner: string;
  private readonly mark: string;
  private bytes = 0;
  private stderr = '';

  /** `nonce`: known to the script alone, so that nothing that login files print can be taken for it. */
  constructor(nonce: string, stderr: NodeJS.ReadableStream) {
    this.banner = `TRANCHE-ATTACH ${nonce}`;
    this.mark = `@tranche ${nonce} `;
    stderr.setEncoding('utf8');
    stderr.on('data', (text: string) => {
      this.stderr = (this.stderr + text).slice(-STDERR_MAX);
    });
  }

  /** Counts bytes of the greeting; false: there are more of them than anybody has to read. */
  hasRoomFor(chunkBytes: number): boolean {
    this.bytes += chunkBytes;
    return this.bytes <= GREETING_MAX_BYTES;
  }

  /** Takes a line of the greeting; true: it was the last one, and all that follows is the agent's. */
  endsWith(line: string): boolean {
    if (line.trimEnd() === this.banner) return true;
    if (line.startsWith(this.mark)) {
      if (this.marked.length < MARKED_MAX) this.marked.push(line.slice(this.mark.length).trim());
    } else if (this.seen.length < SEEN_MAX_LINES) {
      this.seen.push(line.slice(0, SEEN_LINE_MAX));
    }
    return false;
  }

  /** What was said on stderr, of a long one the end; that of the agent too, once it is there. */
  get errors(): string {
    return this.stderr;
  }

  get lastError(): string {
    return lastLine(this.stderr);
  }

  /** No banner came in time. */
  timedOut(hostName: string): Failure {
    const seconds = String(BANNER_TIMEOUT_MS / 1000);
    return {
      code: 'timed-out',
      message: this.marked.includes('shell')
        ? `${hostName} did not start its agent within ${seconds} s. Programs there are not affected; try again, or look at the details.`
        : `${hostName} let us in, but no /bin/sh came within ${seconds} s: something in your login files there waits for an answer or runs another shell (look at ~/.bashrc). Nothing was changed there; the details show what it said.`,
      detail: [...this.seen, this.stderr].join('\n'),
    };
  }

  endless(hostName: string): Failure {
    return {
      code: 'shell-unusable',
      message: `${hostName} let us in, but what your login files print there does not end. Nothing was changed there; look at ~/.bashrc.`,
      detail: this.seen.join('\n'),
    };
  }

  /** The channel ended without a banner: the host has no agent, which is no failure, or why the script did not get there. */
  ended(hostName: string): Result<{ readonly kind: 'missing'; readonly lines: readonly string[] }> {
    const said = [...this.seen, this.stderr].join('\n').trim();
    const refused = this.marked.find((line) => line.startsWith('failed '))?.split(' ');
    if (refused)
      return fail(
        'shell-unusable',
        `${hostName} let us in, but ${refused.slice(2).join(' ').slice(0, REASON_MAX)}. Nothing was changed there; look at your login files (~/.bashrc).`,
        said,
      );
    if (this.marked.includes('missing')) return ok({ kind: 'missing', lines: this.marked });
    const why = lastLine(said).slice(0, REASON_MAX);
    return fail(
      this.marked.length === 0 && this.stderr === '' ? 'shell-unusable' : 'agent-start-failed',
      `${hostName} let us in, but /bin/sh there did not get as far as the agent${why === '' ? '' : ` (${why})`}. Nothing was changed; the details show what it said.`,
      said,
    );
  }
}
