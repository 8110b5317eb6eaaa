/** From a host's name to an SshTarget: `ssh -G` where OpenSSH is installed, a parser of the config elsewhere. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { homedir, userInfo } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { promisify } from 'node:util';
import SSHConfig from 'ssh-config';
import { fail, ok, type Result } from '../../../model/errors.ts';
import { parseAddress, type TypedAddress } from './address.ts';
import {
  CONNECT_TIMEOUT_MS,
  KEEPALIVE_COUNT_MAX,
  KEEPALIVE_INTERVAL_MS,
  type SshTarget,
  type StrictHostKeyChecking,
} from './target.ts';

const execFileAsync = promisify(execFile);
/** `Match exec` may run commands of the user's; one that hangs must not hang us. */
const SSH_G_TIMEOUT_MS = 5_000;

export interface ResolveOptions {
  /** Default ~/.ssh/config; given in tests. */
  readonly configFile: string | null;
  readonly sshBinary: string;
  readonly home: string;
  readonly agentSocket: string | null;
}

export function defaultResolveOptions(): ResolveOptions {
  return {
    configFile: null,
    sshBinary: 'ssh',
    home: homedir(),
    agentSocket: process.env['SSH_AUTH_SOCK'] ?? null,
  };
}

type Settings = ReadonlyMap<string, readonly string[]>;

/** `keyword value` lines of `ssh -G`, keyword in lower case, repeated keywords kept in order. */
export function parseSshG(output: string): Settings {
  const settings = new Map<string, string[]>();
  for (const line of output.split('\n')) {
    const space = line.indexOf(' ');
    if (space <= 0) continue;
    const key = line.slice(0, space).toLowerCase();
    settings.set(key, [...(settings.get(key) ?? []), line.slice(space + 1).trim()]);
  }
  return settings;
}

async function runSshG(
  address: TypedAddress,
  options: ResolveOptions,
): Promise<Settings | 'no-ssh' | { readonly error: string }> {
  const args = ['-G'];
  if (options.configFile !== null) args.push('-F', options.configFile);
  if (address.port !== null) args.push('-p', String(address.port));
  if (address.user !== null) args.push('-l', address.user);
  args.push('--', address.host);
  try {
    const { stdout } = await execFileAsync(options.sshBinary, args, {
      timeout: SSH_G_TIMEOUT_MS,
      maxBuffer: 1 << 20,
    });
    return parseSshG(stdout);
  } catch (error) {
    const cause = error as NodeJS.ErrnoException & { stderr?: string; killed?: boolean };
    if (cause.code === 'ENOENT') return 'no-ssh';
    return {
      error: cause.killed
        ? `ssh -G did not answer within ${String(SSH_G_TIMEOUT_MS / 1000)} s`
        : (cause.stderr ?? cause.message).trim(),
    };
  }
}

async function parseConfig(address: TypedAddress, options: ResolveOptions): Promise<Settings> {
  const path = options.configFile ?? join(options.home, '.ssh/config');
  let text = '';
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const settings = new Map<string, readonly string[]>();
  for (const [key, value] of Object.entries(SSHConfig.parse(text).compute(address.host))) {
    settings.set(key.toLowerCase(), Array.isArray(value) ? value : [value]);
  }
  return settings;
}

/** `~ %d %h %p %r %n %u %%` in file names: `ssh -G` leaves these in IdentityFile to us. */
export function expandTokens(
  path: string,
  values: { home: string; host: string; port: number; user: string; name: string },
): string {
  const tokens: Readonly<Record<string, string>> = {
    '%%': '%',
    '%d': values.home,
    '%h': values.host,
    '%n': values.name,
    '%p': String(values.port),
    '%r': values.user,
    '%u': userInfo().username,
  };
  const expanded = path.replace(/%./g, (token) => tokens[token] ?? token).replace(/^"(.*)"$/, '$1');
  if (expanded === '~' || expanded.startsWith('~/')) return join(values.home, expanded.slice(1));
  return isAbsolute(expanded) ? expanded : join(values.home, '.ssh', expanded);
}

const DEFAULT_IDENTITIES = ['~/.ssh/id_rsa', '~/.ssh/id_ecdsa', '~/.ssh/id_ed25519'];

function toTarget(
  name: string,
  address: TypedAddress,
  settings: Settings,
  jump: SshTarget | null,
  options: ResolveOptions,
): SshTarget {
  const one = (key: string): string | null => settings.get(key)?.[0] ?? null;
  const seconds = (key: string): number => Number(one(key) ?? '0') || 0;
  const hostName = (one('hostname') ?? address.host).replaceAll('%h', address.host);
  const port = Number(one('port') ?? address.port ?? 22);
  const user = one('user') ?? address.user ?? userInfo().username;
  const expand = (path: string) =>
    expandTokens(path, { home: options.home, host: hostName, port, user, name: address.host });
  const files = (key: string, fallback: string) =>
    (settings.get(key)?.join(' ') ?? fallback)
      .split(/\s+/)
      .filter((path) => path !== '' && path !== 'none')
      .map(expand);
  const strict = one('stricthostkeychecking') ?? 'ask';
  const agent = one('identityagent');
  const alive = seconds('serveraliveinterval');
  return {
    name,
    hostName,
    port,
    user,
    hostKeyAlias: one('hostkeyalias'),
    identityFiles: [
      ...new Set(
        (settings.get('identityfile') ?? DEFAULT_IDENTITIES).filter((path) => path !== 'none').map(expand),
      ),
    ],
    identitiesOnly: one('identitiesonly') === 'yes',
    identityAgent:
      agent === null || agent === 'SSH_AUTH_SOCK'
        ? options.agentSocket
        : agent === 'none'
          ? null
          : expand(agent),
    userKnownHostsFiles: files('userknownhostsfile', '~/.ssh/known_hosts ~/.ssh/known_hosts2'),
    globalKnownHostsFiles: files(
      'globalknownhostsfile',
      '/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2',
    ),
    strictHostKeyChecking: (strict === 'true'
      ? 'yes'
      : strict === 'false' || strict === 'off'
        ? 'no'
        : strict) as StrictHostKeyChecking,
    hashKnownHosts: one('hashknownhosts') === 'yes',
    connectTimeoutMs: (seconds('connecttimeout') || CONNECT_TIMEOUT_MS / 1000) * 1000,
    keepaliveIntervalMs: alive > 0 ? alive * 1000 : KEEPALIVE_INTERVAL_MS,
    keepaliveCountMax:
      alive > 0 ? Number(one('serveralivecountmax') ?? KEEPALIVE_COUNT_MAX) : KEEPALIVE_COUNT_MAX,
    jump,
    pinned: null,
  };
}

/** `address` as typed or a name of the config. A jump host is resolved by its own entry; one hop is supported. */
export async function resolveTarget(
  text: string,
  options: ResolveOptions,
  depth = 0,
): Promise<Result<SshTarget>> {
  const address = parseAddress(text.replace(/^ssh:\/\//, ''));
  if (!address.ok) return address;
  const answer = await runSshG(address.value, options);
  if (typeof answer === 'object' && 'error' in answer) {
    return fail(
      'ssh-config-invalid',
      `Your ssh config does not resolve ${text}. Nothing was changed; correct the config and try again.`,
      answer.error,
    );
  }
  const settings = answer === 'no-ssh' ? await parseConfig(address.value, options) : answer;
  const one = (key: string) => settings.get(key)?.[0] ?? 'none';
  if (one('proxycommand') !== 'none' && one('proxyjump') === 'none') {
    return fail(
      'ssh-config-invalid',
      `${text} is reached through a ProxyCommand, which Tranche can not run yet. Nothing was changed; use ProxyJump for it, or connect to its jump host.`,
    );
  }
  let jump: SshTarget | null = null;
  if (one('proxyjump') !== 'none') {
    const hops = one('proxyjump').split(',');
    if (hops.length > 1 || depth > 0) {
      return fail(
        'ssh-config-invalid',
        `${text} is reached over more than one jump host (${one('proxyjump')}); Tranche takes one hop so far. Nothing was changed.`,
      );
    }
    const hop = await resolveTarget(hops[0] ?? '', options, depth + 1);
    if (!hop.ok) return hop;
    jump = hop.value;
  }
  return ok(toTarget(text, address.value, settings, jump, options));
}
