/** Everything needed to reach one host, resolved. Plain data. */

export type StrictHostKeyChecking = 'yes' | 'accept-new' | 'ask' | 'no';

export interface SshTarget {
  /** What the user calls it. */
  readonly name: string;
  readonly hostName: string;
  readonly port: number;
  readonly user: string;
  /** Looked up in known_hosts instead of hostName when set. */
  readonly hostKeyAlias: string | null;
  readonly identityFiles: readonly string[];
  readonly identitiesOnly: boolean;
  /** Socket of the agent; null for none. */
  readonly identityAgent: string | null;
  readonly userKnownHostsFiles: readonly string[];
  readonly globalKnownHostsFiles: readonly string[];
  readonly strictHostKeyChecking: StrictHostKeyChecking;
  readonly hashKnownHosts: boolean;
  readonly connectTimeoutMs: number;
  readonly keepaliveIntervalMs: number;
  readonly keepaliveCountMax: number;
  readonly jump: SshTarget | null;
  /** The demo lab's: keys that live in memory and never in a file. */
  readonly pinned: { readonly hostKey: Buffer; readonly privateKey: string } | null;
}

export const CONNECT_TIMEOUT_MS = 15_000;
/** 5 s × (2 + 1): a host that vanished is noticed after at most 15 s even if nothing else tells. */
export const KEEPALIVE_INTERVAL_MS = 5_000;
export const KEEPALIVE_COUNT_MAX = 2;
