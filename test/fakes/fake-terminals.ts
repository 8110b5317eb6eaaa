/**
 * Terminals as holders would have them, with offsets, a window and a ring, and a shell that knows a few words:
 * `stty size`, `echo`, `count N` (a line each 20 ms), `title TEXT`, `link URL`, `colours`, `evil`, `sleep`, `exit N`.
 */
import type { CoreEvent, RequestArgs, RequestChannel, RequestValues } from '../../model/ipc.ts';
import type { HostSnapshot, TerminalInfo } from '../../model/model.ts';
import type { Result } from '../../model/errors.ts';
import { fail, ok } from '../../model/errors.ts';

const RING_BYTES = 256 * 1024;
const WINDOW_BYTES = 64 * 1024;
const CHUNK_BYTES = 12 * 1024;
const COUNT_MS = 20;

type TerminalChannel = Extract<RequestChannel, `terminal:${string}`>;
type Handlers = { [C in TerminalChannel]: (args: RequestArgs<C>) => Result<RequestValues[C]> };

const PROMPT = '\u001b[1;32mmira@hopper\u001b[0m:\u001b[1;34m~\u001b[0m$ ';
const EVIL = [
  '\u001b]0;evil \u202e title <b>bold</b> with a name that goes on and on and on and on and on and on\u0007',
  '\u001b]52;c;ZXZpbA==\u0007', // into the clipboard
  '\u001b]8;;javascript:alert(1)\u0007not a link\u001b]8;;\u0007 ',
  '\u001b]8;;https://evil.example/\u0007https://good.example/\u001b]8;;\u0007 ',
  '<img src=x onerror=alert(1)> <script>alert(1)</script> ',
  '\u001b[38;2;255;100;0mtrue colour\u001b[0m \u001b[48;5;200mpaper\u001b[0m\r\n',
].join('');
const COLOURS = Array.from(
  { length: 16 },
  (_, i) => `\u001b[${String(i < 8 ? 30 + i : 82 + i)}mcolour ${String(i)}\u001b[0m${i === 7 ? '\r\n' : ' '}`,
).join('');

class FakeTerminal {
  info: TerminalInfo;
  readonly hostId: string;
  size: { columns: number; rows: number };
  /** Of all that was ever said. */
  end = 0;
  ring: number[] = [];
  sent: number | null = null;
  acked = 0;
  line = '';
  busy: string | null = null;
  readonly #push: (event: CoreEvent) => void;

  constructor(
    hostId: string,
    info: TerminalInfo,
    size: { columns: number; rows: number },
    push: (event: CoreEvent) => void,
  ) {
    this.hostId = hostId;
    this.info = info;
    this.size = size;
    this.#push = push;
  }

  get start(): number {
    return this.end - this.ring.length;
  }

  say(text: string): void {
    const bytes = new TextEncoder().encode(text);
    this.ring = [...this.ring, ...bytes].slice(-RING_BYTES);
    this.end += bytes.length;
    this.flush();
  }

  flush(): void {
    while (this.sent !== null && this.sent < this.end && this.sent - this.acked < WINDOW_BYTES) {
      const offset = Math.max(this.sent, this.start);
      const until = Math.min(this.end, offset + CHUNK_BYTES);
      const bytes = this.ring.slice(offset - this.start, until - this.start);
      const { terminalId } = this.info;
      const data = btoa(String.fromCharCode(...bytes));
      this.#push({ event: 'terminal:output', data: { hostId: this.hostId, terminalId, offset, data } });
      this.sent = until;
    }
  }

  exit(exitCode: number | null, signal: number | null = null): void {
    const { terminalId } = this.info;
    this.info = { ...this.info, endedAtMs: Date.now(), exitCode, signal };
    this.#push({ event: 'terminal:ended', data: { hostId: this.hostId, terminalId, exitCode, signal } });
  }

  type(text: string): void {
    for (const char of text.replaceAll('\u001b[200~', '').replaceAll('\u001b[201~', '')) {
      if (char === '\u0003') {
        this.busy = null;
        this.line = '';
        this.say(`^C\r\n${PROMPT}`);
      } else if (this.busy !== null) {
        this.say(char);
      } else if (char === '\r') {
        const { line } = this;
        this.line = '';
        this.say('\r\n');
        this.#run(line);
      } else if (char === '\u007f') {
        this.line = this.line.slice(0, -1);
        this.say('\b \b');
      } else {
        this.line += char;
        this.say(char);
      }
    }
  }

  #run(line: string): void {
    const [word, ...rest] = line.trim().split(' ');
    const text = rest.join(' ');
    if (word === 'exit') return this.exit(Number(text === '' ? 0 : text));
    if (word === 'sleep') {
      this.busy = 'sleep';
      return undefined;
    }
    if (word === 'count') {
      this.#count(1, Number(text));
      return undefined;
    }
    const said: Record<string, string> = {
      '': '',
      echo: `${text}\r\n`,
      stty: `${String(this.size.rows)} ${String(this.size.columns)}\r\n`,
      title: `\u001b]2;${text}\u0007`,
      link: `\u001b]8;;${text}\u0007a link\u001b]8;;\u0007\r\n`,
      colours: `${COLOURS}\r\n`,
      evil: EVIL,
      bracketed: '\u001b[?2004h',
    };
    this.say(`${said[word ?? ''] ?? `sh: ${word ?? ''}: not found\r\n`}${PROMPT}`);
    return undefined;
  }

  #count(n: number, to: number): void {
    this.busy = 'count';
    this.say(`n${String(n)}\r\n`);
    if (n < to) setTimeout(() => this.#count(n + 1, to), COUNT_MS);
    else {
      this.busy = null;
      this.say(PROMPT);
    }
  }
}

export class FakeTerminals {
  readonly #all = new Map<string, FakeTerminal>();
  readonly #push: (event: CoreEvent) => void;
  #next = 1;

  constructor(push: (event: CoreEvent) => void) {
    this.#push = push;
  }

  /** For tests: one that was there before the window. */
  add(hostId: string, sliceId: string, text = ''): string {
    const terminalId = `t-${String(this.#next++).padStart(16, '0')}`;
    const info = {
      terminalId,
      sliceId,
      startedAtMs: Date.now(),
      endedAtMs: null,
      exitCode: null,
      signal: null,
    };
    const made = new FakeTerminal(hostId, info, { columns: 80, rows: 24 }, this.#push);
    this.#all.set(terminalId, made);
    made.say(`${text}${PROMPT}`);
    return terminalId;
  }

  /** For tests: a link that breaks. What is under way is lost with it. */
  hangUp(): void {
    for (const one of this.#all.values()) one.sent = null;
  }

  say(terminalId: string, text: string): void {
    this.#all.get(terminalId)?.say(text);
  }

  exit(terminalId: string, exitCode: number | null, signal: number | null): void {
    this.#all.get(terminalId)?.exit(exitCode, signal);
  }

  handlers(hostOf: (hostId: string) => HostSnapshot | null): Handlers {
    const on = (
      { hostId, terminalId }: { hostId: string; terminalId: string },
      work: (one: FakeTerminal) => Result<null>,
    ): Result<null> => {
      const { kind } = hostOf(hostId)?.connection ?? { kind: 'failed' };
      if (kind !== 'live' && kind !== 'stale') return fail('not-connected', 'hopper is not connected.');
      const one = this.#all.get(terminalId);
      return one === undefined ? fail('unknown-terminal', 'Your account has no such terminal.') : work(one);
    };
    const isOld = (hostId: string): boolean => {
      const connection = hostOf(hostId)?.connection;
      return connection?.kind === 'live' && connection.agent.version !== '0.1.0';
    };
    return {
      'terminal:open': ({ hostId, sliceId, ...size }) => {
        if (isOld(hostId)) {
          return fail(
            'upgrade-needed',
            'The agent on ada (0.0.9) has no terminals. Nothing was started. Upgrade it.',
          );
        }
        const terminalId = this.add(hostId, sliceId);
        const made = this.#all.get(terminalId);
        if (made !== undefined) made.size = size;
        return ok({ terminalId });
      },
      'terminal:list': ({ hostId }) =>
        isOld(hostId)
          ? fail(
              'upgrade-needed',
              'The agent on ada (0.0.9) has no terminals. Nothing was started. Upgrade it.',
            )
          : ok([...this.#all.values()].filter((one) => one.hostId === hostId).map((one) => one.info)),
      'terminal:attach': (args) =>
        on(args, (one) => {
          const { hostId, terminalId, offset: wanted, ...size } = args;
          one.size = { columns: size.columns, rows: size.rows };
          const offset = Math.max(wanted ?? 0, one.start);
          this.#push({
            event: 'terminal:attached',
            data: { hostId, terminalId, offset, endOffset: one.end },
          });
          one.sent = offset;
          one.acked = offset;
          one.flush();
          const { endedAtMs, exitCode, signal } = one.info;
          if (endedAtMs !== null) {
            this.#push({ event: 'terminal:ended', data: { hostId, terminalId, exitCode, signal } });
          }
          return ok(null);
        }),
      'terminal:ack': (args) =>
        on(args, (one) => {
          one.acked = Math.max(one.acked, args.offset);
          one.flush();
          return ok(null);
        }),
      'terminal:input': (args) =>
        on(args, (one) => {
          const bytes = Uint8Array.from(atob(args.data), (char) => char.charCodeAt(0));
          one.type(new TextDecoder().decode(bytes));
          return ok(null);
        }),
      'terminal:resize': (args) =>
        on(args, (one) => {
          one.size = { columns: args.columns, rows: args.rows };
          return ok(null);
        }),
      'terminal:close': (args) =>
        on(args, (one) => {
          if (args.ifIdle && one.busy !== null) {
            return fail('terminal-busy', `${one.busy} runs in it, and would be ended. Nothing was closed.`);
          }
          this.#all.delete(args.terminalId);
          return ok(null);
        }),
    };
  }
}
