/** What the user's ssh config says of one host: `ssh -G` where OpenSSH is installed, a parser of the file elsewhere. */
import { spawn } from 'node:child_process';
import SSHConfig from 'ssh-config';
import { fail, ok, type Result } from '../../../model/errors.ts';
import type { TypedAddress } from './address.ts';
import { readWithIncludes } from './config-hosts.ts';

/** `Match exec` may probe a network that is just coming up, and ssh waits for it. One that hangs must not hang us. */
const SSH_G_TIMEOUT_MS = 60_000;
const SSH_G_OUTPUT_MAX = 1 << 20;

/** Keyword in lower case → its values in order. */
export type Settings = ReadonlyMap<string, readonly string[]>;

export interface HostSettings {
  readonly settings: Settings;
  /** What could not be taken into account, in sentences. */
  readonly notes: readonly string[];
  /** false: no OpenSSH is installed here. */
  readonly hasSsh: boolean;
}

export interface ConfigSource {
  /** null: the user's own, and the system's after it. */
  readonly configFile: string | null;
  readonly defaultConfigFile: string;
  readonly sshBinary: string;
  readonly home: string;
}

/** `keyword value` lines of `ssh -G`, keyword in lower case, repeated keywords kept in order. */
export function parseSshG(output: string): Settings {
  const settings = new Map<string, string[]>();
  for (const line of output.split(/\r?\n/)) {
    const space = line.indexOf(' ');
    if (space <= 0) continue;
    const key = line.slice(0, space).toLowerCase();
    settings.set(key, [...(settings.get(key) ?? []), line.slice(space + 1).trim()]);
  }
  return settings;
}

/** The options that make the system's ssh read the same config and reach the same host; the host itself comes last. */
export function sshArguments(address: TypedAddress, source: Pick<ConfigSource, 'configFile'>): string[] {
  const args: string[] = [];
  if (source.configFile !== null) args.push('-F', source.configFile);
  if (address.port !== null) args.push('-p', String(address.port));
  if (address.user !== null) args.push('-l', address.user);
  return [...args, '--', address.host];
}

const IGNORED_KEYWORDS: Readonly<Record<string, string>> = {
  canonicalizehostname: 'CanonicalizeHostname',
  canonicaldomains: 'CanonicalDomains',
};

/** The file, read by a parser that knows neither `Match exec` nor canonical names: said so where it matters. */
async function parseConfig(address: TypedAddress, source: ConfigSource): Promise<HostSettings> {
  const path = source.configFile ?? source.defaultConfigFile;
  const { text, notes } = await readWithIncludes(path, source.home);
  const settings = new Map<string, readonly string[]>();
  for (const [key, value] of Object.entries(
    SSHConfig.parse(withoutMatch(text.replace(/\\+[ \t]*$/gm, ''))).compute(address.host),
  )) {
    settings.set(key.toLowerCase(), Array.isArray(value) ? value : [value]);
  }
  const missed = Object.entries(IGNORED_KEYWORDS).flatMap(([key, word]) => (settings.has(key) ? [word] : []));
  if (/^\s*Match\b/im.test(text)) missed.push('Match');
  const sentence = `${missed.join(', ')} in ${path} cannot be honoured on a computer without OpenSSH and was left out.`;
  return { settings, notes: missed.length > 0 ? [...notes, sentence] : notes, hasSsh: false };
}

/** Match blocks taken out whole: half-understood conditions would send a user name or a key to the wrong host. */
export function withoutMatch(text: string): string {
  let inMatch = false;
  return text
    .split('\n')
    .filter((line) => {
      if (/^\s*(Host|Match)\b/i.test(line)) inMatch = /^\s*Match\b/i.test(line);
      return !inMatch;
    })
    .join('\n');
}

interface Ran {
  /** null: a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly timedOut: boolean;
}

/** Runs `ssh -G` in a process group of its own: what a `Match exec` has started ends with it. Rejects if there is none. */
function runSshG(binary: string, args: readonly string[]): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const grouped = process.platform !== 'win32';
    const child = spawn(binary, [...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      windowsHide: true,
      detached: grouped,
    });
    const said = { stdout: '', stderr: '' };
    let timedOut = false;
    const collect = (key: keyof typeof said) => (text: string) => {
      if (said[key].length < SSH_G_OUTPUT_MAX) said[key] += text;
    };
    child.stdout.setEncoding('utf8').on('data', collect('stdout'));
    child.stderr.setEncoding('utf8').on('data', collect('stderr'));
    const timer = setTimeout(() => {
      timedOut = true;
      try {
        if (grouped && child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
        else child.kill('SIGKILL');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
      }
      // A child that left the group may hold these open.
      child.stdout.destroy();
      child.stderr.destroy();
    }, SSH_G_TIMEOUT_MS);
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ code, ...said, timedOut });
    });
  });
}

export async function readSettings(
  address: TypedAddress,
  source: ConfigSource,
): Promise<Result<HostSettings>> {
  const shown = address.host;
  const refused = (detail: string) =>
    fail(
      'ssh-config-invalid',
      `Your ssh config does not resolve ${shown}. Nothing was changed; correct the config and try again.`,
      detail,
    );
  try {
    const ran = await runSshG(source.sshBinary, ['-G', ...sshArguments(address, source)]);
    if (ran.timedOut)
      return fail(
        'timed-out',
        `ssh -G, which says what your config means for ${shown}, did not end within ${String(SSH_G_TIMEOUT_MS / 1000)} s. Nothing was changed; a Match exec of your config may wait for something.`,
        ran.stderr.trim(),
      );
    if (ran.code === 0) return ok({ settings: parseSshG(ran.stdout), notes: [], hasSsh: true });
    return refused(ran.stderr.trim());
  } catch (error) {
    const cause = error as NodeJS.ErrnoException;
    if (cause.code !== 'ENOENT') return refused(cause.message);
  }
  try {
    return ok(await parseConfig(address, source));
  } catch (error) {
    return refused(error instanceof Error ? error.message : String(error));
  }
}
