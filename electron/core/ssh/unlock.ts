/**
 * Opens keys that are locked with a passphrase. What is slow about it (seconds with `ssh-keygen -a 100`) is done once
 * per key, in a worker thread: the core has one thread, on which every host's charts and keepalives depend.
 */
import { createHash } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import { utils, type ParsedKey } from 'ssh2';
import { bcryptHash, blowfishStart, derive, type Derivation } from './bcrypt-pbkdf.ts';
import { TookTooLongError, within } from './bounded.ts';
import { derivationOf, openEnvelope, readEnvelope, whyNotOpened } from './openssh-key.ts';

/** `ssh-keygen -a 1000` on a slow computer. A key file may ask for four billion rounds. */
const UNLOCK_TIMEOUT_MS = 120_000;
/** Keys kept open: more than anybody signs in with in one session. */
const KEYS_MAX = 64;

/** The derivation as the text of a worker: it must need no file, because the packaged app is a single one. */
const WORKER = `
const { parentPort, workerData } = require('node:worker_threads');
const { createHash } = require('node:crypto');
const sha512 = (data) => createHash('sha512').update(data).digest();
const hash = (${bcryptHash.toString()})((${blowfishStart.toString()})());
parentPort.postMessage((${derive.toString()})(workerData, sha512, hash));
`;

/** Rejects when the worker fails or takes longer than UNLOCK_TIMEOUT_MS; it is ended then. */
export async function deriveAside(derivation: Derivation): Promise<Uint8Array> {
  const worker = new Worker(WORKER, { eval: true, workerData: derivation });
  const done = new Promise<Uint8Array>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', () => {
      reject(new Error('the thread that opens it ended'));
    });
  });
  try {
    return await within(done, { limitMs: UNLOCK_TIMEOUT_MS });
  } finally {
    await worker.terminate();
  }
}

export const firstKey = (parsed: ReturnType<typeof utils.parseKey>): ParsedKey | Error =>
  Array.isArray(parsed) ? (parsed[0] as ParsedKey) : parsed;

export class WrongPassphraseError extends Error {
  constructor() {
    super('wrong passphrase');
  }
}

async function open(text: string, passphrase: string): Promise<ParsedKey | Error> {
  const envelope = readEnvelope(text);
  if (envelope === null) {
    // The older formats derive their key by one hash: nothing that takes time.
    const key = firstKey(utils.parseKey(text, passphrase));
    return key instanceof Error ? new WrongPassphraseError() : key;
  }
  const whyNot = whyNotOpened(envelope);
  if (whyNot !== null) return new Error(whyNot);
  try {
    const unlocked = openEnvelope(envelope, await deriveAside(derivationOf(envelope, passphrase)));
    return unlocked === null ? new WrongPassphraseError() : firstKey(utils.parseKey(unlocked));
  } catch (error) {
    if (error instanceof TookTooLongError)
      return new Error(`was not opened within ${String(UNLOCK_TIMEOUT_MS / 1000)} s`);
    return error as Error;
  }
}

/** By what is in the file and what was typed, so that a file that was changed is opened anew. */
const opened = new Map<string, Promise<ParsedKey | Error>>();

/** The open key, the same for all who ask; an error says in words why not. Never rejects. */
export function unlock(text: string, passphrase: string): Promise<ParsedKey | Error> {
  const id = createHash('sha256')
    .update(JSON.stringify([text, passphrase]))
    .digest('hex');
  const known = opened.get(id);
  if (known) return known;
  const key = open(text, passphrase);
  opened.set(id, key);
  void key.then((outcome) => {
    const [oldest] = opened.keys();
    if (outcome instanceof Error) opened.delete(id);
    else if (opened.size > KEYS_MAX && oldest !== undefined) opened.delete(oldest);
  });
  return key;
}
