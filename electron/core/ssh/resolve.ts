/** From a host's name to an SshTarget, with every hop on the way. */
import { homedir, hostname, userInfo } from 'node:os';
import { fail, ok, type Result } from '../../../model/errors.ts';
import { defaultAgentSocket } from './agent.ts';
import { nameOfConfig, parseAddress, type TypedAddress } from './address.ts';
import { expandPath, expandTokens, splitPaths, type TokenValues } from './expand.ts';
import { sshPlaces, type Machine, type SshPlaces } from './paths.ts';
import { readSettings, sshArguments, type HostSettings } from './settings.ts';
import {
  AUTH_METHODS,
  CONNECT_TIMEOUT_MS,
  KEEPALIVE_COUNT_MAX,
  KEEPALIVE_INTERVAL_MS,
  PASSWORD_PROMPTS,
  type AuthMethod,
  type SshTarget,
  type StrictHostKeyChecking,
} from './target.ts';

/** What ssh_config(5) lets stand in ProxyJump; `ssh -G` prints it as it was written. */
const JUMP_TOKENS = ['%%', '%h', '%n', '%p', '%r'] as const;
/** More than any lab chains; a config that goes in a circle is told apart before. */
const HOPS_MAX = 8;

export interface ResolveOptions {
  /** null: ~/.ssh/config and the system's. Another one by TRANCHE_SSH_CONFIG, as `ssh -F` would take it. */
  readonly configFile: string | null;
  readonly sshBinary: string;
  readonly home: string;
  /** What SSH_AUTH_SOCK names, or where an agent was found; null: there is none. */
  readonly agentSocket: string | null;
}

export function defaultResolveOptions(): ResolveOptions {
  return {
    configFile: process.env['TRANCHE_SSH_CONFIG'] ?? null,
    sshBinary: 'ssh',
    home: homedir(),
    agentSocket: defaultAgentSocket(thisMachine(homedir())),
  };
}

export const thisMachine = (home: string): Machine => ({
  platform: process.platform,
  home,
  user: userInfo().username,
  env: process.env,
});

/** `yes`, `true` and the like, as `ssh -G` or the file itself writes them. */
const isYes = (value: string | null, fallback: boolean): boolean =>
  value === null ? fallback : /^(yes|true)$/i.test(value);

function strictness(value: string | null): StrictHostKeyChecking {
  const word = value?.toLowerCase() ?? 'ask';
  if (word === 'accept-new' || word === 'ask') return word;
  return isYes(word, false) ? 'yes' : /^(no|off|false)$/.test(word) ? 'no' : 'ask';
}

/** What ssh_config(5) can ask for and ssh2 has no code for. GSSAPI is on by default in Debian, so it does not count. */
function beyondSsh2(one: (key: string) => string | null): readonly string[] {
  const found: string[] = [];
  const pkcs11 = one('pkcs11provider');
  if (pkcs11 !== null && pkcs11 !== 'none') found.push(`PKCS11Provider ${pkcs11}`);
  if (isYes(one('hostbasedauthentication'), false)) found.push('HostbasedAuthentication');
  if (isYes(one('proxyusefdpass'), false)) found.push('ProxyUseFdpass');
  return found;
}

function authMethods(one: (key: string) => string | null): readonly AuthMethod[] {
  const wanted = (one('preferredauthentications') ?? AUTH_METHODS.join(',')).toLowerCase().split(/\s*,\s*/);
  const allowed: Readonly<Record<AuthMethod, boolean>> = {
    // `unbound` and `host-bound` are ways to say yes.
    publickey: !/^(no|false)$/i.test(one('pubkeyauthentication') ?? 'yes'),
    'keyboard-interactive': isYes(
      one('kbdinteractiveauthentication') ?? one('challengeresponseauthentication'),
      true,
    ),
    password: isYes(one('passwordauthentication'), true),
  };
  return wanted.flatMap((name) => AUTH_METHODS.filter((method) => method === name && allowed[method]));
}

/** What the tokens of this host's settings stand for. */
function tokenValues(
  address: TypedAddress,
  { settings, hasSsh }: HostSettings,
  options: ResolveOptions,
): TokenValues {
  const one = (key: string): string | null => settings.get(key)?.[0] ?? null;
  const machine = thisMachine(options.home);
  const hostName = one('hostname') ?? address.host;
  const proxyJump = one('proxyjump');
  return {
    ...machine,
    localUser: machine.user,
    localHost: hostname(),
    uid: process.getuid?.() ?? null,
    name: address.host,
    // `ssh -G` has expanded it already: once more, and a name with a percent sign would be another one.
    host: hasSsh ? hostName : hostName.replace(/%[%h]/g, (token) => (token === '%h' ? address.host : '%')),
    port: address.port ?? Number(one('port') ?? 22),
    user: address.user ?? one('user') ?? machine.user,
    hostKeyAlias: one('hostkeyalias'),
    proxyJump: proxyJump === null || proxyJump === 'none' ? '' : proxyJump,
  };
}

function toTarget(
  name: string,
  address: TypedAddress,
  host: HostSettings,
  jump: SshTarget | null,
  options: ResolveOptions,
): SshTarget {
  const { settings, notes, hasSsh } = host;
  const one = (key: string): string | null => settings.get(key)?.[0] ?? null;
  const values = tokenValues(address, host, options);
  const { host: hostName, port, user, hostKeyAlias } = values;
  const places: SshPlaces = sshPlaces(thisMachine(options.home));
  const seconds = (key: string): number => Number(one(key) ?? '0') || 0;
  /** One name a line (IdentityFile), or several on one (UserKnownHostsFile). */
  const files = (lines: readonly string[] | undefined, fallback: readonly string[], several: boolean) =>
    [...new Set((lines ?? fallback).flatMap((line) => (several ? splitPaths(line) : [line])))]
      .filter((path) => path !== '' && path.toLowerCase() !== 'none')
      .map((path) => expandPath(path, values));
  /** `none`, SSH_AUTH_SOCK, $VARIABLE or a path. */
  const socket = (value: string | null, whenUnset: string | null): string | null => {
    if (value === null) return whenUnset;
    if (value.toLowerCase() === 'none') return null;
    if (value === 'SSH_AUTH_SOCK') return options.agentSocket;
    const variable = /^\$(\w+)$/.exec(value)?.[1];
    if (variable !== undefined) return process.env[variable] ?? null;
    return expandPath(value, values);
  };
  const identityAgent = socket(one('identityagent'), options.agentSocket);
  const forward = one('forwardagent');
  const alive = seconds('serveraliveinterval');
  const command = one('proxycommand');
  const family = one('addressfamily');
  const bind = one('bindaddress');
  return {
    name,
    hostName,
    port,
    user,
    hostKeyAlias,
    identityFiles: files(settings.get('identityfile'), places.identityFiles, false),
    identitiesOnly: isYes(one('identitiesonly'), false),
    identityAgent,
    certificateFiles: files(settings.get('certificatefile'), [], false),
    forwardAgent:
      forward === null || /^(no|false)$/i.test(forward)
        ? null
        : isYes(forward, false)
          ? identityAgent
          : socket(forward, null),
    userKnownHostsFiles: files(settings.get('userknownhostsfile'), places.userKnownHostsFiles, true),
    globalKnownHostsFiles: files(settings.get('globalknownhostsfile'), places.globalKnownHostsFiles, true),
    strictHostKeyChecking: strictness(one('stricthostkeychecking')),
    hashKnownHosts: isYes(one('hashknownhosts'), false),
    connectTimeoutMs: (seconds('connecttimeout') || CONNECT_TIMEOUT_MS / 1000) * 1000,
    keepaliveIntervalMs: alive > 0 ? alive * 1000 : KEEPALIVE_INTERVAL_MS,
    keepaliveCountMax:
      alive > 0 ? Number(one('serveralivecountmax') ?? KEEPALIVE_COUNT_MAX) : KEEPALIVE_COUNT_MAX,
    addressFamily: family === 'inet' ? 4 : family === 'inet6' ? 6 : 0,
    bindAddress: bind === null || bind === '' || bind === '*' ? null : bind,
    authMethods: authMethods(one),
    passwordPrompts: Number(one('numberofpasswordprompts') ?? PASSWORD_PROMPTS) || PASSWORD_PROMPTS,
    batchMode: isYes(one('batchmode'), false),
    jump,
    proxyCommand:
      jump !== null || command === null || command === 'none' ? null : expandTokens(command, values),
    systemOnly: beyondSsh2(one),
    notes,
    sshBinary: hasSsh ? options.sshBinary : null,
    sshArgs: sshArguments(address, options),
    pinned: null,
  };
}

/** `u@h:p` of a ProxyJump list, or its ssh:// form. */
const bareHop = (hop: string): string =>
  hop
    .trim()
    .replace(/^ssh:\/\//i, '')
    .replace(/\/+$/, '');

/** The hops of one ProxyJump line, the last of which reaches the host. Hops before it override its own ProxyJump. */
async function resolveHops(
  hops: readonly string[],
  options: ResolveOptions,
  trail: readonly string[],
): Promise<Result<SshTarget>> {
  return resolveOne(bareHop(hops.at(-1) ?? ''), options, trail, hops.slice(0, -1));
}

async function resolveOne(
  text: string,
  options: ResolveOptions,
  trail: readonly string[],
  hopsBefore: readonly string[],
  isName = false,
): Promise<Result<SshTarget>> {
  const way = [...trail, text];
  if (trail.includes(text) || way.length > HOPS_MAX + 1) {
    const what = trail.includes(text) ? 'go in a circle' : `are more than ${String(HOPS_MAX)}`;
    return fail(
      'ssh-config-invalid',
      `The jump hosts of ${trail[0] ?? text} ${what}: ${way.join(' ← ')}. Nothing was changed; correct ProxyJump.`,
    );
  }
  const address = isName ? nameOfConfig(text) : parseAddress(text);
  if (!address.ok) return address;
  const read = await readSettings(address.value, {
    ...options,
    defaultConfigFile: sshPlaces(thisMachine(options.home)).configFile,
  });
  if (!read.ok) return read;
  const own = read.value.settings.get('proxyjump')?.[0] ?? 'none';
  // ssh makes a ProxyCommand of the whole line and expands that with what it knows of the host at its end.
  const line = expandTokens(own, tokenValues(address.value, read.value, options), JUMP_TOKENS);
  const hops = hopsBefore.length > 0 ? hopsBefore : own.toLowerCase() === 'none' ? [] : line.split(',');
  let jump: SshTarget | null = null;
  if (hops.length > 0) {
    const hop = await resolveHops(hops, options, way);
    if (!hop.ok) return hop;
    jump = hop.value;
  }
  return ok(toTarget(text, address.value, read.value, jump, options));
}

/** A name as the config has it, which ssh looks up whole: "foo:2222" is no port there. */
export function resolveName(name: string, options: ResolveOptions): Promise<Result<SshTarget>> {
  return resolveOne(name, options, [], [], true);
}

/** `address` as typed. */
export function resolveTarget(text: string, options: ResolveOptions): Promise<Result<SshTarget>> {
  return resolveOne(bareHop(text), options, [], []);
}
