/** Every error code that crosses a boundary, from the agent or from the core. */

export const AGENT_ERROR_CODES = [
  'bad-request',
  'unknown-op',
  'line-too-long',
  'protocol-mismatch',
  'not-permitted',
  'unknown-gpu',
  'unknown-slice',
  'unknown-owner',
  'unknown-process',
  'bad-name',
  'name-taken',
  'memory-limit-too-small',
  'memory-limit-exceeds-gpu',
  'compute-limit-out-of-range',
  'guarantee-out-of-range',
  'guarantee-exceeds-limit',
  'guarantee-exceeds-headroom',
  'overcommit-exceeds-guard',
  'quota-exceeded',
  'below-use',
  'too-many-slices',
  'slice-in-use',
  'changed-since',
  'undo-expired',
  'state-not-saved',
  'no-gpu',
  'busy',
  'concurrent-not-possible',
  'unknown-job',
  'job-over',
  'too-many-jobs',
  'unknown-terminal',
  'terminal-ended',
  'terminal-busy',
  'too-many-terminals',
  'upgrade-needed',
  'internal',
] as const;

export const CORE_ERROR_CODES = [
  'bad-arguments',
  'unknown-host',
  'bad-host-name',
  'host-unreachable',
  'host-key-unknown',
  'host-key-changed',
  'host-key-revoked',
  'authentication-failed',
  'authentication-cancelled',
  'sign-in-needs-you',
  'connection-lost',
  'timed-out',
  'ssh-config-invalid',
  'jump-failed',
  'proxy-failed',
  'no-common-algorithm',
  'channel-refused',
  'needs-system-ssh',
  'shell-unusable',
  'unsupported-architecture',
  'unsupported-system',
  'disk-full',
  'no-executable-place',
  'home-not-writable',
  'upload-corrupted',
  'agent-start-failed',
  'agent-version-mismatch',
  'agent-protocol-error',
  'not-connected',
  'demo-unavailable',
  'cancelled',
  'update-refused',
] as const;

export type AgentErrorCode = (typeof AGENT_ERROR_CODES)[number];
export type CoreErrorCode = (typeof CORE_ERROR_CODES)[number];
export type ErrorCode = AgentErrorCode | CoreErrorCode;

/** What went wrong, where, what was left as it was, and what to do next, in one or two sentences. */
export interface Failure {
  readonly code: ErrorCode;
  readonly message: string;
  /** For "Copy details": the raw cause, several lines at most. */
  readonly detail: string | null;
}

export type Result<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: Failure };

export const ok = <T>(value: T): Result<T> => ({ ok: true, value });
export const fail = (code: ErrorCode, message: string, detail: string | null = null): Result<never> => ({
  ok: false,
  error: { code, message, detail },
});

/** Closes a switch over a tagged union: reaching it is a programming error. */
export function assertNever(value: never, what: string): never {
  throw new Error(`unexpected ${what}: ${JSON.stringify(value)}`);
}
