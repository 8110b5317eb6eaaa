/** The second transport: the same scripts over the system's own ssh, for what ssh2 cannot do (FIDO keys, certificates …). */
import { readFile, writeFile } from 'node:fs/promises';
import { fail, ok, type Failure, type Result } from '../../../model/errors.ts';
import { Askpass, whyNoAskpass } from './askpass.ts';
import { awaitCommand } from './command-output.ts';
import type { HostKeyBlock } from './host-key.ts';
import { readKnownHosts, remember } from './host-key.ts';
import { plainText } from './plain-text.ts';
import { ProcessStream } from './process-stream.ts';
import type { SshQuestions } from './questions.ts';
import {
  SHELL_COMMAND,
  type CommandChannel,
  type CommandResult,
  type RunOptions,
  type SshConnection,
} from './shell.ts';
import { LOGIN_GRACE_MS, type SignIns } from './sign-ins.ts';
import { answerSystemSsh, blockOf, nothingAsked, systemFailure, systemSignedIn } from './system-questions.ts';
import { SystemShell } from './system-shell.ts';
import { machineOf, type SshTarget } from './target.ts';

/** ssh's own exit code for whatever is not the remote command's. */
const SSH_FAILED = 255;
/** What is shown of all that is said during one sign-in. */
const TOLD_MAX = 20;
/** Lines of ssh's own while it signs in, which say nothing of what the user should do. */
const OWN_WORDS = /^(?:Warning: Permanently added|\*\* )/;
/** Hops, key exchange and the login shell after ssh's own ConnectTimeout for TCP. */
const SIGN_IN_FACTOR = 2;

export type SystemOutcome = Result<SystemConnection> & { readonly block?: HostKeyBlock };

export interface SystemOptions {
  readonly questions: SshQuestions;
  readonly signal: AbortSignal;
  readonly signIns: SignIns;
}

const quoted = (paths: readonly string[]): string => paths.map((path) => `"${path}"`).join(' ');

/** `ownKnownHosts`: a file of ours before the user's, where ssh writes a key that is to be forgotten again. */
function argumentsFor(target: SshTarget, mayAsk: boolean, ownKnownHosts: string | null): string[] {
  const options: Readonly<Record<string, string>> = {
    ControlMaster: 'no',
    ControlPath: 'none',
    ClearAllForwardings: 'yes',
    RequestTTY: 'no',
    RemoteCommand: 'none',
    PermitLocalCommand: 'no',
    LogLevel: 'INFO',
    BatchMode: mayAsk && !target.batchMode ? 'no' : 'yes',
    ConnectTimeout: String(Math.ceil(target.connectTimeoutMs / 1000)),
    ServerAliveInterval: String(Math.ceil(target.keepaliveIntervalMs / 1000)),
    ServerAliveCountMax: String(target.keepaliveCountMax),
    // A changed key is refused whatever the config says; only new ones are taken unasked.
    ...(target.strictHostKeyChecking === 'no' ? { StrictHostKeyChecking: 'accept-new' } : {}),
    ...(ownKnownHosts === null
      ? {}
      : { UserKnownHostsFile: quoted([ownKnownHosts, ...target.userKnownHostsFiles]) }),
  };
  return [
    '-T',
    '-x',
    ...Object.entries(options).flatMap(([key, value]) => ['-o', `${key}=${value}`]),
    ...target.sshArgs,
    SHELL_COMMAND,
  ];
}

export class SystemConnection implements SshConnection {
  readonly target: SshTarget;
  private readonly options: SystemOptions;
  private readonly shells = new Set<SystemShell>();
  private readonly signing = new Set<ProcessStream>();
  private readonly listeners: ((failure: Failure) => void)[] = [];
  private lost: Failure | null = null;
  private closed = false;
  /** Host keys that were taken for this connection alone: its next sign-in must not ask again. */
  private knownOnce = '';

  private constructor(target: SshTarget, options: SystemOptions) {
    this.target = target;
    this.options = options;
  }

  static async open(target: SshTarget, options: SystemOptions): Promise<SystemOutcome> {
    const connection = new SystemConnection(target, options);
    const shell = await connection.signIn(options.signal);
    return shell.ok ? ok(connection) : shell;
  }

  onClose(listener: (failure: Failure) => void): void {
    if (this.lost) listener(this.lost);
    else this.listeners.push(listener);
  }

  close(): void {
    this.closed = true;
    for (const shell of this.shells) shell.process.destroy();
    for (const process of this.signing) process.destroy();
  }

  async runScript(script: string, options: RunOptions): Promise<Result<CommandResult>> {
    const shell = await this.freeShell();
    if (!shell.ok) return shell;
    const channel = shell.value.start(script, false);
    return awaitCommand(channel, this.target.name, options, 'end', (printed) =>
      channel.exitCode === null
        ? fail(
            'connection-lost',
            `The connection to ${this.target.name} broke while a command ran.`,
            shell.value.process.lastWords,
          )
        : ok({ ...printed, code: channel.exitCode }),
    );
  }

  async openScript(script: string, _timeoutMs: number): Promise<Result<CommandChannel>> {
    const shell = await this.freeShell();
    return shell.ok ? ok(shell.value.start(script, true)) : shell;
  }

  private async freeShell(): Promise<Result<SystemShell>> {
    if (this.lost) return { ok: false, error: this.lost };
    for (const shell of this.shells) if (shell.isFree) return ok(shell);
    return this.signIn(this.options.signal);
  }

  private async signIn(
    signal: AbortSignal,
  ): Promise<Result<SystemShell> & { readonly block?: HostKeyBlock }> {
    const { target } = this;
    const files = await readKnownHosts(target);
    if (!files.ok) return files;
    const asked = nothingAsked();
    let open = 0;
    const clock = { left: target.connectTimeoutMs * SIGN_IN_FACTOR, limit: 0 };
    clock.limit = clock.left;
    // ssh has reached the host: from here on it waits as long as the server does, for a phone or a touch.
    const grant = (): void => {
      clock.left += clock.limit < LOGIN_GRACE_MS ? LOGIN_GRACE_MS - clock.limit : 0;
      clock.limit = Math.max(clock.limit, LOGIN_GRACE_MS);
    };
    const askpass =
      whyNoAskpass === null && !target.batchMode
        ? await Askpass.start(async (question) => {
            open += 1;
            grant();
            try {
              return await answerSystemSsh(target, question, this.options.questions, asked);
            } finally {
              if (question.kind !== 'none') open -= 1;
            }
          })
        : null;
    const ownKnownHosts = askpass?.path('known_hosts') ?? null;
    if (ownKnownHosts !== null && this.knownOnce !== '') await writeFile(ownKnownHosts, this.knownOnce);
    const process = new ProcessStream(
      target.sshBinary ?? 'ssh',
      argumentsFor(target, askpass !== null, ownKnownHosts),
      { env: { ...globalThis.process.env, ...askpass?.env }, detached: true },
    );
    const shell = new SystemShell(process, (ended) => {
      this.shellEnded(ended);
    });
    this.signing.add(process);
    let told = 0;
    process.stderr.on('data', (chunk: Buffer) => {
      const line = plainText(chunk.toString('utf8')).trim().split('\n').at(-1) ?? '';
      if (line === '' || OWN_WORDS.test(line) || told >= TOLD_MAX) return;
      told += 1;
      grant();
      this.options.questions.progress(`${target.name} says: ${line}`);
    });
    const abort = () => process.destroy();
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    let timedOut = false;
    const ticker = setInterval(() => {
      if (open === 0) clock.left -= TICK_MS;
      if (clock.left > 0) return;
      timedOut = true;
      process.destroy();
    }, TICK_MS);
    try {
      const up = await shell.up();
      if (up) {
        if (ownKnownHosts !== null) await this.learn(ownKnownHosts, asked.keyOnce);
        this.shells.add(shell);
        this.options.signIns.succeeded(machineOf(target), { ...asked, longestTurnMs: 0 });
        systemSignedIn(target, this.options.questions);
        return ok(shell);
      }
      const said = process.lastWords;
      if (signal.aborted || this.closed)
        return fail('cancelled', `Connecting to ${target.name} was cancelled. Nothing was changed there.`);
      if (asked.began) this.options.signIns.failed(machineOf(target), { ...asked, longestTurnMs: 0 });
      if (timedOut)
        return fail(
          'timed-out',
          `${target.name} gave no shell within ${String(clock.limit / 1000)} s by the system’s ssh. Nothing was changed there; check the network and try again.`,
          said,
        );
      if (process.exitCode !== SSH_FAILED && process.exitCode !== null) {
        const greeting = plainText(shell.greeting).trim();
        return fail(
          'shell-unusable',
          `${target.name} let us in, but what ran there was no shell of ours${greeting === '' ? '' : `: ${greeting.split('\n').at(-1) ?? ''}`}. Nothing was changed there.`,
          [greeting, said].filter((text) => text !== '').join('\n'),
        );
      }
      const block = blockOf(said, files.value);
      const failure = systemFailure(target, said, asked, block);
      return block ? { ...failure, block } : failure;
    } finally {
      clearInterval(ticker);
      this.signing.delete(process);
      signal.removeEventListener('abort', abort);
      await askpass?.close();
    }
  }

  /** What ssh wrote into our file goes into the user's, as it would have without us, or is known to this connection only. */
  private async learn(ownKnownHosts: string, once: boolean): Promise<void> {
    const lines = await readFile(ownKnownHosts, 'utf8').catch(() => ''); // nothing new was written
    if (once) this.knownOnce = lines;
    if (lines === this.knownOnce) return;
    try {
      await remember(this.target, lines);
    } catch (error) {
      this.options.questions.notice(
        `The key of ${this.target.name} could not be written to known_hosts (${String(error)}). The connection goes on; it will be asked about again.`,
      );
    }
  }

  /** A shell that ends with its script is no loss; ssh itself failing is, and so is the end of a shell that was free. */
  private shellEnded(shell: SystemShell): void {
    const wasOurs = this.shells.delete(shell) && !shell.isAbandoned;
    const failed = shell.process.exitCode === SSH_FAILED || shell.process.exitCode === null;
    if (!wasOurs || this.closed || this.lost || !failed) return;
    const why = shell.process.lastWords.split('\n').at(-1) ?? '';
    this.lost = {
      code: 'connection-lost',
      message: `The connection to ${this.target.name} was lost (${why === '' ? 'the system’s ssh ended' : why}). Slices and programs there go on with their last limits; reconnecting.`,
      detail: shell.process.lastWords,
    };
    for (const other of this.shells) other.process.destroy();
    for (const listener of this.listeners.splice(0)) listener(this.lost);
  }
}

/** How finely the time is counted in which nobody is being asked. */
const TICK_MS = 250;
