/** What a connection to a host can do, whichever transport carries it: run scripts of ours in /bin/sh, and nothing else. */
import type { Duplex } from 'node:stream';
import type { Failure, Result } from '../../../model/errors.ts';
import type { SshTarget } from './target.ts';

export interface CommandResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

export type CommandChannel = Duplex & { readonly stderr: NodeJS.ReadableStream };

export interface RunOptions {
  readonly timeoutMs: number;
  /** Sees the output as it comes. */
  readonly onStdout?: (text: string) => void;
}

/**
 * Before the first script: login files that ask something ("Which module?") read these lines for answers, and leave the
 * script whole. A shell makes nothing of them.
 */
export const EMPTY_LINES = '\n'.repeat(16);
/** All that is ever run on a host: the login shell parses these words and nothing else. */
export const SHELL_COMMAND = '/bin/sh -s';
/**
 * The exit code of a script that was opened and handed its stdin to nobody: the shell that ran it is free again, where
 * shells are few because each one is a sign-in.
 */
export const SHELL_FREE_CODE = 77;

export interface SshConnection {
  readonly target: SshTarget;
  /** Runs a script to its end, collecting its output. */
  runScript(script: string, options: RunOptions): Promise<Result<CommandResult>>;
  /** Starts a script whose stdin and stdout, from then on, belong to the caller. */
  openScript(script: string, timeoutMs: number): Promise<Result<CommandChannel>>;
  /** Called once, when the link is gone for whatever reason. */
  onClose(listener: (failure: Failure) => void): void;
  close(): void;
}
