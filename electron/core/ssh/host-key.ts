/** Verifies a host key before anything is authenticated, and remembers one as ssh would. */
import { appendFile, mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fail, ok, type Result } from '../../../model/errors.ts';
import {
  fingerprint,
  judgeHostKey,
  keyTypeOf,
  knownHostsLine,
  type HostKeyVerdict,
  type KnownHostsFile,
} from './known-hosts.ts';
import type { SshQuestions } from './questions.ts';
import type { SshTarget } from './target.ts';

/** Set beside a failure that a retry can not mend, for the screen that compares both keys. */
export interface HostKeyBlock {
  readonly offeredFingerprint: string;
  readonly verdict: Extract<HostKeyVerdict, { kind: 'changed' | 'revoked' }>;
}

export class HostKeyBlockedError extends Error {
  readonly block: HostKeyBlock;
  constructor(block: HostKeyBlock) {
    super(`host key ${block.verdict.kind}`);
    this.block = block;
  }
}

/** A file that is missing is empty; one that can not be read fails closed. */
export async function readKnownHosts(target: SshTarget): Promise<Result<readonly KnownHostsFile[]>> {
  const files: KnownHostsFile[] = [];
  for (const path of [...target.userKnownHostsFiles, ...target.globalKnownHostsFiles]) {
    try {
      files.push({ path, text: await readFile(path, 'utf8') });
    } catch (error) {
      const cause = error as NodeJS.ErrnoException;
      if (cause.code === 'ENOENT' || cause.code === 'ENOTDIR') continue;
      return fail(
        'ssh-config-invalid',
        `${path} can not be read (${cause.code ?? cause.message}), so the key of ${target.name} can not be checked. Nothing was sent to the host; mend the file's permissions.`,
      );
    }
  }
  return ok(files);
}

async function remember(target: SshTarget, name: string, key: Buffer): Promise<void> {
  const path = target.userKnownHostsFiles[0];
  if (path === undefined) return;
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const text = await readFile(path, 'utf8').catch(() => '');
  const separator = text === '' || text.endsWith('\n') ? '' : '\n';
  await appendFile(path, separator + knownHostsLine(name, target.port, key, target.hashKnownHosts), {
    mode: 0o600,
  });
}

/** Resolves true to go on; throws HostKeyBlockedError when the key is changed or revoked; false when cancelled. */
export async function verifyHostKey(
  target: SshTarget,
  files: readonly KnownHostsFile[],
  key: Buffer,
  questions: SshQuestions,
  isJump: boolean,
): Promise<boolean> {
  if (target.pinned) return target.pinned.hostKey.equals(key);
  const name = target.hostKeyAlias ?? target.hostName;
  const verdict = judgeHostKey(files, name, target.port, key);
  if (verdict.kind === 'known') return true;
  if (verdict.kind === 'changed' || verdict.kind === 'revoked') {
    throw new HostKeyBlockedError({ offeredFingerprint: fingerprint(key), verdict });
  }
  if (target.strictHostKeyChecking === 'yes') return false;
  if (target.strictHostKeyChecking === 'no') return true;
  if (target.strictHostKeyChecking === 'accept-new') {
    await remember(target, name, key);
    return true;
  }
  const answer = await questions.hostKey({
    hostName: target.name,
    keyType: keyTypeOf(key),
    fingerprint: fingerprint(key),
    isJump,
  });
  if (answer === 'remember') await remember(target, name, key);
  return answer !== null;
}
