/**
 * Every error code that crosses a boundary, from the agent or from the core. Above each: what it means → what to do.
 * scripts/error-catalogue.mjs makes docs/errors.md of that, and holds the codes in agent/ against the first list.
 */

export const AGENT_ERROR_CODES = [
  // A field of the request is missing or is not what it may be; nothing was done. → Change what the message names. If
  // the app sent it, report it.
  'bad-request',
  // The agent, or the holder of a terminal, is older than the request. → Upgrade the agent; open the terminal again.
  'unknown-op',
  // A request was longer than 8 KiB, and the connection ends. → Make it shorter: a command line of that length
  // belongs in a file.
  'line-too-long',
  // Desktop and agent have no version of the protocol in common. → Upgrade the older one of the two.
  'protocol-mismatch',
  // The slice, job or process is not yours, or only operators may do this. → Ask its owner, or one of the operators
  // that the message names.
  'not-permitted',
  // The host has no GPU with that UUID. → Look again: the GPU may have been taken out, or be another host's.
  'unknown-gpu',
  // There is no such slice (any more). → Look again: somebody may have deleted it.
  'unknown-slice',
  // The host knows no user or group of that name. → Check the spelling; the account must exist on the host.
  'unknown-owner',
  // The process is not (or no longer) on a GPU, or could not be signalled. → Look again: it may have ended.
  'unknown-process',
  // A slice's name is 1 to 40 letters, digits, dots, dashes or underscores, and begins with a letter or digit. →
  // Choose another name.
  'bad-name',
  // Another slice on this host has that name. → Choose another name.
  'name-taken',
  // A memory limit is at least 1 MiB. → Choose a larger one.
  'memory-limit-too-small',
  // The memory limit is more than the GPU has. → Choose at most what the message names.
  'memory-limit-exceeds-gpu',
  // A compute limit is a whole number from 1 to 100 %. → Choose one of these.
  'compute-limit-out-of-range',
  // A guarantee is a whole number from 0 to 100 %. → Choose one of these.
  'guarantee-out-of-range',
  // The guarantee is above the slice's own compute limit. → Raise the limit or lower the guarantee.
  'guarantee-exceeds-limit',
  // The guarantees of all slices on a GPU add up to 100 % at most. → Choose at most what the message names, or lower
  // another slice's.
  'guarantee-exceeds-headroom',
  // The memory limits on the GPU would add up to more than the operators allow. → Choose less, lower another limit,
  // or have an operator raise the guard.
  'overcommit-exceeds-guard',
  // The owner would hold more memory or more slices than the quota allows. → Choose less, or have an operator raise
  // the quota or do it over the quota.
  'quota-exceeded',
  // The new limit is below what the slice uses, and the request said to refuse that. → Free memory first, or let the
  // limit shrink when use drops.
  'below-use',
  // No more slices fit on the GPU or on the host. → Delete one first.
  'too-many-slices',
  // Processes are in the slice, so it was neither deleted nor moved. → Stop them first. A slice can also be deleted
  // together with its processes.
  'slice-in-use',
  // Somebody else changed the slice after what you saw; your edit was not made. → Look again, then repeat the edit if
  // it still makes sense.
  'changed-since',
  // The edit can no longer be undone: ten minutes have passed. → Make the opposite edit by hand.
  'undo-expired',
  // The agent (or your account there) could not write its files; what was asked for was not done. → See to the disk
  // and folder that the message names, then try again.
  'state-not-saved',
  // The agent manages no GPU on this host. → Run `tranche doctor` there; mostly the driver is missing or does not
  // answer.
  'no-gpu',
  // What is asked for, or something that is in its way, is under way already. → Wait for a moment and look; then try
  // again.
  'busy',
  // The GPU cannot be put into concurrent mode as it is now. → Change what the message names: whose slices they
  // are, a process outside them, a GPU that the hardware cuts.
  'concurrent-not-possible',
  // The door cannot be kept as it was asked, for the reason that the message names; it is as it was. → See docs/door.md
  // for what a kernel needs; `tranche door off`, as root, takes it away.
  'door-not-kept',
  // There is no such job (any more), or its log is not yours. → Look at the list; old logs are removed.
  'unknown-job',
  // The job is over already. → Nothing is left to be done; run it again if you like.
  'job-over',
  // Tranche cannot limit programs on that GPU, or not in the way that was asked. → Choose another GPU, or leave out
  // what the message names.
  'gpu-not-limited',
  // The program could not be moved into its slice's control group, and is where it was. → It runs all the same where
  // the slice does not need the group; otherwise do what the message says.
  'scope-refused',
  // The driver keeps the limit of this slice itself and did not take the new one. → Do what the message says; `tranche
  // doctor` on the host says more.
  'kernel-limit-refused',
  // As many jobs wait or run as one user, or the host, may have. → Cancel one, or wait.
  'too-many-jobs',
  // Your account has no such terminal: it was closed, or its process was ended. → Open another one.
  'unknown-terminal',
  // The shell of that terminal has ended. → Open another one.
  'terminal-ended',
  // A program runs in the terminal and would be ended by closing it. → End it first, or close the terminal all the
  // same.
  'terminal-busy',
  // As many terminals are open as may be. → Close one first.
  'too-many-terminals',
  // The `tranche` in your own account on the host is older than the agent. → Install Tranche there again.
  'upgrade-needed',
  // Something failed that should not. → Try again; if it comes back, report it with its details.
  'internal',
] as const;

export const CORE_ERROR_CODES = [
  // The window asked the app for something that does not exist or makes no sense; nothing was done. → Reload the
  // window; if it comes back, report it.
  'bad-arguments',
  // The host is no longer in the list. → Add it again.
  'unknown-host',
  // What was typed is not a host, or the list of added hosts is full. → Type it as user@host or user@host:port.
  'bad-host-name',
  // Nothing answers as an SSH server at that address, or the name does not resolve. → Check name, port and network;
  // `ssh` in a terminal says the same.
  'host-unreachable',
  // The host's key was not accepted, so nothing was sent. → Compare the fingerprint with the administrator's, then
  // connect again.
  'host-key-unknown',
  // The host showed another key than the one in known_hosts; nothing was sent. → Find out why. Remove the old line
  // only if the host was really reinstalled.
  'host-key-changed',
  // The file known_hosts marks the host's key as revoked; nothing was sent. → There is no way past this; ask the
  // administrator.
  'host-key-revoked',
  // The host refused the sign-in. → Check user name, key and password; `ssh` in a terminal says more.
  'authentication-failed',
  // You cancelled a question of the sign-in. → Connect again when you are ready.
  'authentication-cancelled',
  // The host wants a second factor, and the last sign-in was not confirmed, so it is not repeated by itself. →
  // Connect, and confirm.
  'sign-in-needs-you',
  // The link broke while something was under way; it may or may not have been done. → Wait for the reconnect: the
  // state it brings says which.
  'connection-lost',
  // No answer came in time. → Look whether it happened all the same, then try again.
  'timed-out',
  // Your ssh config does not resolve the host, or a file that it names cannot be read. → Mend what the message
  // names; `ssh -G HOST` says the same.
  'ssh-config-invalid',
  // The jump host was reached but does not forward to the host. → Check that the host is up and that the jump host
  // allows forwarding.
  'jump-failed',
  // The ProxyCommand ended or said nothing useful. → Try the command in a terminal.
  'proxy-failed',
  // The host and the SSH inside Tranche have no algorithm in common. → Choose the system's ssh for this host.
  'no-common-algorithm',
  // The host let us in but opens no (further) channel. → Look at MaxSessions and ForceCommand of its sshd.
  'channel-refused',
  // Only an installed OpenSSH client can reach the host, and this computer has none. → Install one.
  'needs-system-ssh',
  // The host let us in, but no usable `/bin/sh` came, or it lacks tools to unpack the agent. → Look at the login
  // files there (`~/.bashrc`), and at what the message names.
  'shell-unusable',
  // The host's processor is neither x86_64 nor aarch64, or this copy of Tranche has no agent for it. → Install a
  // release, or build one with `npm run build:agent`.
  'unsupported-architecture',
  // The host does not run Linux. → The agent needs Linux.
  'unsupported-system',
  // There is no room for the agent on the host, or for the list of hosts on this computer. → Make room, then try
  // again.
  'disk-full',
  // No folder of yours on the host may hold programs (noexec, or somebody else's). → Have a place made that may: the
  // message names those that were tried.
  'no-executable-place',
  // Your home on the host cannot be written, and slices are kept there. → Make it writable.
  'home-not-writable',
  // What arrived on the host is not what was sent; it was removed. → Try again; if it comes back, look at the disk
  // there.
  'upload-corrupted',
  // The agent was sent, and does not run there. → Read what it said; mostly the system has no glibc.
  'agent-start-failed',
  // The agent there is of a version that this app does not work with. → Upgrade the agent, or this app.
  'agent-version-mismatch',
  // The agent answered with something that is no answer, and the session may have been ended. → It reconnects by
  // itself; report it with its details.
  'agent-protocol-error',
  // The host is not connected; nothing was changed there. → Connect, then try again.
  'not-connected',
  // The demo lab cannot run on this computer. → The message says why; it needs Linux and the built agent.
  'demo-unavailable',
  // You cancelled it, or left the host. → Nothing.
  'cancelled',
  // This copy of the app cannot be updated from here, or not now. → The message says why; install a package by hand.
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
