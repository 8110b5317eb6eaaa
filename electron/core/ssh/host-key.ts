/** Verifies a host key before anything is authenticated, and remembers one as ssh would. */
import { mkdir, open, readFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
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

/** Set beside a failure that a retry cannot mend, for the screen that compares both keys. */
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

/** A file that is missing is empty; one that cannot be read fails closed. */
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
        `${path} cannot be read (${cause.code ?? cause.message}), so the key of ${target.name} cannot be checked. Nothing was sent to the host; mend the file's permissions.`,
      );
    }
  }
  return ok(files);
}

/**
 * Appends to the first of the user's files, through links, with the mode that the umask gives, and makes ~/.ssh (and no
 * other folder) where it is missing: all as ssh does. A file that lacks its last newline gets it first.
 */
export async function remember(target: SshTarget, lines: string): Promise<void> {
  const path = target.userKnownHostsFiles[0];
  if (path === undefined) return;
  const folder = dirname(path);
  if (basename(folder) === '.ssh') {
    await mkdir(folder, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
  const file = await open(path, 'a+', 0o666);
  try {
    const { size } = await file.stat();
    const last = size === 0 ? '\n' : (await file.read(Buffer.alloc(1), 0, 1, size - 1)).buffer.toString();
    await file.appendFile((last === '\n' ? '' : '\n') + lines);
  } finally {
    await file.close();
  }
}

async function rememberOrSay(target: SshTarget, key: Buffer, questions: SshQuestions): Promise<void> {
  try {
    await remember(target, knownHostsLine(target, key, target.hashKnownHosts));
  } catch (error) {
    // As ssh: the user has accepted the key, only the next connection will ask again.
    questions.notice(
      `The key of ${target.name} could not be written to ${target.userKnownHostsFiles[0] ?? 'known_hosts'} (${(error as NodeJS.ErrnoException).code ?? String(error)}). The connection goes on; it will be asked about again.`,
    );
  }
}

export type KeyDecision =
  | { readonly kind: 'go' }
  /** Why not, as the end of a sentence that says that nothing was sent. */
  | { readonly kind: 'stop'; readonly why: string };

/** Throws HostKeyBlockedError when the key is changed or revoked, whatever StrictHostKeyChecking says. */
export async function verifyHostKey(
  target: SshTarget,
  files: readonly KnownHostsFile[],
  key: Buffer,
  questions: SshQuestions,
  isJump: boolean,
): Promise<KeyDecision> {
  if (target.pinned)
    return target.pinned.hostKey.equals(key) ? { kind: 'go' } : { kind: 'stop', why: 'it is another one' };
  const verdict = judgeHostKey(files, target, key);
  if (verdict.kind === 'known') return { kind: 'go' };
  if (verdict.kind === 'changed' || verdict.kind === 'revoked')
    throw new HostKeyBlockedError({ offeredFingerprint: fingerprint(key), verdict });
  const { authority } = verdict;
  const unchecked =
    authority === null
      ? ''
      : ` (${authority.file} line ${String(authority.line)} trusts a certificate authority for it, which only the system’s ssh can check)`;
  switch (target.strictHostKeyChecking) {
    case 'yes':
      return { kind: 'stop', why: `it is not in known_hosts${unchecked}, and StrictHostKeyChecking is yes` };
    case 'no':
    case 'accept-new':
      await rememberOrSay(target, key, questions);
      return { kind: 'go' };
    case 'ask':
      break;
  }
  if (target.batchMode)
    return { kind: 'stop', why: `it is not in known_hosts${unchecked}, and BatchMode lets nothing be asked` };
  if (unchecked !== '') questions.notice(`The key of ${target.name} is not in known_hosts${unchecked}.`);
  const answer = await questions.hostKey({
    hostName: target.name,
    keyType: keyTypeOf(key),
    fingerprint: fingerprint(key),
    isJump,
  });
  if (answer === 'remember') await rememberOrSay(target, key, questions);
  return answer === null ? { kind: 'stop', why: 'you did not accept it' } : { kind: 'go' };
}
