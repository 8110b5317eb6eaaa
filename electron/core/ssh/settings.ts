/** What the user's ssh config says of one host: `ssh -G` where OpenSSH is installed, a parser of the file elsewhere. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import SSHConfig from 'ssh-config';
import { fail, ok, type Result } from '../../../model/errors.ts';
import type { TypedAddress } from './address.ts';
import { readWithIncludes } from './config-hosts.ts';

const execFileAsync = promisify(execFile);
/** `Match exec` may run commands of the user's; one that hangs must not hang us. */
const SSH_G_TIMEOUT_MS = 5_000;

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
  for (const [key, value] of Object.entries(SSHConfig.parse(withoutMatch(text)).compute(address.host))) {
    settings.set(key.toLowerCase(), Array.isArray(value) ? value : [value]);
  }
  const missed = Object.entries(IGNORED_KEYWORDS).flatMap(([key, word]) => (settings.has(key) ? [word] : []));
  if (/^\s*Match\b/im.test(text)) missed.push('Match');
  const sentence = `${missed.join(', ')} in ${path} can not be honoured on a computer without OpenSSH and was left out.`;
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
    const { stdout } = await execFileAsync(source.sshBinary, ['-G', ...sshArguments(address, source)], {
      timeout: SSH_G_TIMEOUT_MS,
      maxBuffer: 1 << 20,
      windowsHide: true,
    });
    return ok({ settings: parseSshG(stdout), notes: [], hasSsh: true });
  } catch (error) {
    const cause = error as NodeJS.ErrnoException & { stderr?: string; killed?: boolean };
    if (cause.code !== 'ENOENT') {
      return refused(
        cause.killed === true
          ? `ssh -G did not answer within ${String(SSH_G_TIMEOUT_MS / 1000)} s`
          : (cause.stderr ?? cause.message).trim(),
      );
    }
  }
  try {
    return ok(await parseConfig(address, source));
  } catch (error) {
    return refused(error instanceof Error ? error.message : String(error));
  }
}
