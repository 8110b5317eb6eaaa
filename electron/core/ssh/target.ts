/** Everything needed to reach one host, resolved. Plain data. */

/** As `ssh -G` says it, with `no` and `off` as one. */
export type StrictHostKeyChecking = 'yes' | 'accept-new' | 'ask' | 'no';

/** The methods that we speak, named as in PreferredAuthentications. */
export const AUTH_METHODS = ['publickey', 'keyboard-interactive', 'password'] as const;
export type AuthMethod = (typeof AUTH_METHODS)[number];

export interface SshTarget {
  /** What the user calls it. */
  readonly name: string;
  readonly hostName: string;
  readonly port: number;
  readonly user: string;
  /** Looked up in known_hosts instead of hostName and port when set. */
  readonly hostKeyAlias: string | null;
  readonly identityFiles: readonly string[];
  readonly identitiesOnly: boolean;
  /** Socket of the agent; null for none. */
  readonly identityAgent: string | null;
  readonly certificateFiles: readonly string[];
  /** Socket that the host may use as its agent; null, the default, forwards nothing. */
  readonly forwardAgent: string | null;
  readonly userKnownHostsFiles: readonly string[];
  readonly globalKnownHostsFiles: readonly string[];
  readonly strictHostKeyChecking: StrictHostKeyChecking;
  readonly hashKnownHosts: boolean;
  readonly connectTimeoutMs: number;
  readonly keepaliveIntervalMs: number;
  readonly keepaliveCountMax: number;
  /** 0: whichever answers. */
  readonly addressFamily: 0 | 4 | 6;
  readonly bindAddress: string | null;
  /** In the order in which they are tried. */
  readonly authMethods: readonly AuthMethod[];
  /** Refused answers after which signing in is given up. */
  readonly passwordPrompts: number;
  /** BatchMode: nothing is asked, what needs an answer fails. */
  readonly batchMode: boolean;
  /** The last hop before this host, which has its own hop before it, if any. */
  readonly jump: SshTarget | null;
  /** A command whose stdin and stdout are the connection, tokens expanded. */
  readonly proxyCommand: string | null;
  /** Settings that ssh2 cannot honour and the system's ssh can, in words. */
  readonly systemOnly: readonly string[];
  /** What of the config is not honoured, in sentences for the user. */
  readonly notes: readonly string[];
  /** The system's ssh, or null where none is installed. */
  readonly sshBinary: string | null;
  /** What it has to be called with to reach the same host. */
  readonly sshArgs: readonly string[];
  /** The demo lab's: keys that live in memory and never in a file. */
  readonly pinned: { readonly hostKey: Buffer; readonly privateKey: string } | null;
}

/**
 * The account at the end of this way, as a key: what is typed for it is sent nowhere else. What it is called in the
 * list does not count, because a name may be given to another machine; how it is reached does, because 10.0.0.5 behind
 * one gateway is another machine than behind the next.
 */
export function machineOf(target: SshTarget): string {
  const { user, hostName, port, hostKeyAlias, jump, proxyCommand } = target;
  return JSON.stringify([user, hostName, port, hostKeyAlias, jump ? machineOf(jump) : proxyCommand]);
}

export const CONNECT_TIMEOUT_MS = 15_000;
/** 5 s × (2 + 1): a host that vanished is noticed after at most 15 s even if nothing else tells. */
export const KEEPALIVE_INTERVAL_MS = 5_000;
export const KEEPALIVE_COUNT_MAX = 2;
/** As OpenSSH's NumberOfPasswordPrompts. */
export const PASSWORD_PROMPTS = 3;

/** A host of which nothing is configured and whose keys are known from elsewhere. */
export function pinnedTarget(host: {
  readonly name: string;
  readonly port: number;
  readonly user: string;
  readonly hostKey: Buffer;
  readonly privateKey: string;
}): SshTarget {
  return {
    name: host.name,
    hostName: '127.0.0.1',
    port: host.port,
    user: host.user,
    hostKeyAlias: null,
    identityFiles: [],
    identitiesOnly: true,
    identityAgent: null,
    certificateFiles: [],
    forwardAgent: null,
    userKnownHostsFiles: [],
    globalKnownHostsFiles: [],
    strictHostKeyChecking: 'yes',
    hashKnownHosts: false,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    keepaliveIntervalMs: KEEPALIVE_INTERVAL_MS,
    keepaliveCountMax: KEEPALIVE_COUNT_MAX,
    addressFamily: 0,
    bindAddress: null,
    authMethods: ['publickey'],
    passwordPrompts: PASSWORD_PROMPTS,
    batchMode: true,
    jump: null,
    proxyCommand: null,
    systemOnly: [],
    notes: [],
    sshBinary: null,
    sshArgs: [],
    pinned: { hostKey: host.hostKey, privateKey: host.privateKey },
  };
}
