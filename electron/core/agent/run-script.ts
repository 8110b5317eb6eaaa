/** Runs one of our scripts to its end, and finds in what it wrote the lines that are meant for us. */
import { randomBytes } from 'node:crypto';
import { ok, type Result } from '../../../model/errors.ts';
import type { SshConnection } from '../ssh/shell.ts';
import { markedLines } from './scripts.ts';

/** Marks our lines: no banner, and no other script, can know it. */
export const newNonce = (): string => randomBytes(12).toString('hex');

export interface ScriptSaid {
  readonly lines: readonly string[];
  /** All of it, for the details of a failure. */
  readonly stdout: string;
  readonly stderr: string;
}

export async function runScript(
  connection: SshConnection,
  script: (nonce: string) => string,
  timeoutMs: number,
): Promise<Result<ScriptSaid>> {
  const nonce = newNonce();
  const result = await connection.runScript(script(nonce), { timeoutMs });
  if (!result.ok) return result;
  const { stdout, stderr } = result.value;
  return ok({ lines: markedLines(stdout, nonce), stdout, stderr });
}
