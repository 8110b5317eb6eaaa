/**
 * A private key file whose passphrase is asked only when the server would take that key. ssh2 signs key files at once,
 * but lets an agent take its time, so each file is shown to it as an agent with a single key.
 */
import { readFile, stat } from 'node:fs/promises';
import {
  BaseAgent,
  utils,
  type IdentityCallback,
  type ParsedKey,
  type SignCallback,
  type SigningRequestOptions,
} from 'ssh2';
import type { OurTurn } from './auth.ts';
import { readEnvelope, whyNotOpened } from './openssh-key.ts';
import { firstKey, unlock, WrongPassphraseError } from './unlock.ts';

const PASSPHRASE_TRIES = 3;

/** The blob of the public half that stands in clear in OpenSSH's own format, also when the private half is encrypted. */
export const publicBlobIn = (privateKey: string): Buffer | null =>
  readEnvelope(privateKey)?.publicBlob ?? null;

/** `ssh-ed25519 AAAA… comment` → the blob, also of types that ssh2 does not know. */
export function publicBlobOf(line: string): Buffer | null {
  const base64 = /^[a-z][a-z0-9@.-]+\s+(AAAA[A-Za-z0-9+/]+=*)(?:\s|$)/.exec(line.trim())?.[1];
  return base64 === undefined ? null : Buffer.from(base64, 'base64');
}

const readText = (path: string): Promise<string | null> =>
  readFile(path, 'utf8').then(
    (text) => text,
    () => null,
  );

/** As ssh: from the key file itself, or from `file.pub` beside it. null where neither tells. */
export async function publicKeyOf(path: string): Promise<Buffer | null> {
  const text = await readText(path);
  const own = text === null ? null : publicBlobIn(text);
  if (own) return own;
  const beside = await readText(`${path}.pub`);
  if (beside !== null) return publicBlobOf(beside);
  if (text !== null && publicBlobOf(text)) return publicBlobOf(text);
  // IdentityFile may name the public half alone, of a key that is in the agent; or an old format without passphrase.
  if (text === null) return null;
  const parsed = firstKey(utils.parseKey(text));
  return parsed instanceof Error ? null : parsed.getPublicSSH();
}

export interface KeyFileOptions {
  readonly path: string;
  /** Around the opening of the key, which the server has no part in. */
  readonly ourTurn: OurTurn;
  /** null: no passphrase is to be had. */
  readonly askPassphrase: () => Promise<string | null>;
  readonly onWrongPassphrase: () => void;
  /** The server has taken the key and was given its signature. */
  readonly onSigned: () => void;
  /** Said of this key in the error text, if signing in fails. */
  readonly onOutcome: (what: string) => void;
}

class KeyFileAgent extends BaseAgent<ParsedKey> {
  private readonly shown: ParsedKey;
  private readonly open: () => Promise<ParsedKey | Error>;
  private readonly onSigned: () => void;

  constructor(shown: ParsedKey, onSigned: () => void, open: () => Promise<ParsedKey | Error>) {
    super();
    this.shown = shown;
    this.onSigned = onSigned;
    this.open = open;
  }

  override getIdentities(callback: IdentityCallback<ParsedKey>): void {
    callback(undefined, [this.shown]);
  }

  override sign(
    _key: ParsedKey,
    data: Buffer,
    optionsOrCallback?: SigningRequestOptions | SignCallback,
    callback?: SignCallback,
  ): void {
    const done = typeof optionsOrCallback === 'function' ? optionsOrCallback : callback;
    const hash = typeof optionsOrCallback === 'object' ? optionsOrCallback.hash : undefined;
    void this.open().then((key) => {
      const signature = key instanceof Error ? key : key.sign(data, hash);
      if (signature instanceof Error) {
        done?.(signature);
        return;
      }
      this.onSigned();
      done?.(null, signature);
    });
  }
}

const isEncrypted = (error: Error): boolean => /encrypted|passphrase/i.test(error.message);

/** As ssh: a private key that others may read is not used. null: it is not. */
async function whyTooOpen(path: string): Promise<string | null> {
  if (process.platform === 'win32') return null;
  const { mode, uid } = await stat(path);
  if (uid !== process.getuid?.() || (mode & 0o077) === 0) return null;
  return `is readable by others (mode 0${(mode & 0o777).toString(8)}), and ssh would not use it either; chmod 600 it`;
}

/** Reads the file; null when it is missing. An error says in words why its key cannot be used. */
export async function openKeyFile(options: KeyFileOptions): Promise<BaseAgent<ParsedKey> | Error | null> {
  const { path, onSigned } = options;
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    return code === 'ENOENT' ? null : new Error(`cannot be read: ${code ?? 'unknown'}`);
  }
  const parsed = firstKey(utils.parseKey(text));
  // A public half alone: its key is the agent's business.
  if (!(parsed instanceof Error) && !parsed.isPrivateKey()) return null;
  const tooOpen = await whyTooOpen(path).catch(() => null); // it was there a moment ago
  if (tooOpen !== null) return new Error(tooOpen);
  if (!(parsed instanceof Error)) return new KeyFileAgent(parsed, onSigned, () => Promise.resolve(parsed));
  const envelope = readEnvelope(text);
  const whyNot = envelope === null || envelope.cipher === 'none' ? null : whyNotOpened(envelope);
  if (whyNot !== null) return new Error(whyNot);
  if (!isEncrypted(parsed)) return new Error(parsed.message);

  const decrypt = async (): Promise<ParsedKey | Error> => {
    for (let attempt = 0; attempt < PASSPHRASE_TRIES; attempt += 1) {
      const passphrase = await options.askPassphrase();
      if (passphrase === null) return new Error('no passphrase given');
      const key = await options.ourTurn(() => unlock(text, passphrase));
      if (!(key instanceof WrongPassphraseError)) return key;
      options.onWrongPassphrase();
    }
    return new Error('wrong passphrase');
  };
  const blob = await publicKeyOf(path);
  const shown = blob === null ? new Error('no public half') : firstKey(utils.parseKey(blob));
  if (!(shown instanceof Error)) {
    return new KeyFileAgent(shown, onSigned, async () => {
      const key = await decrypt();
      if (key instanceof Error) options.onOutcome(`${path} (${key.message})`);
      return key;
    });
  }
  // An old format without its public half: what ssh cannot show without the passphrase, nor can we.
  const key = await decrypt();
  return key instanceof Error ? key : new KeyFileAgent(key, onSigned, () => Promise.resolve(key));
}
