/** OpenSSH's own format of private keys: what stands in it in clear, and how its locked part is opened. Pure. */
import { createDecipheriv } from 'node:crypto';
import type { Derivation } from './bcrypt-pbkdf.ts';

const MAGIC = Buffer.from('openssh-key-v1\0', 'latin1');

/** Ciphers by OpenSSH's names; sizes in bytes. */
const CIPHERS: Readonly<Record<string, { name: string; key: number; iv: number; tag: number }>> = {
  'aes128-cbc': { name: 'aes-128-cbc', key: 16, iv: 16, tag: 0 },
  'aes192-cbc': { name: 'aes-192-cbc', key: 24, iv: 16, tag: 0 },
  'aes256-cbc': { name: 'aes-256-cbc', key: 32, iv: 16, tag: 0 },
  'aes128-ctr': { name: 'aes-128-ctr', key: 16, iv: 16, tag: 0 },
  'aes192-ctr': { name: 'aes-192-ctr', key: 24, iv: 16, tag: 0 },
  'aes256-ctr': { name: 'aes-256-ctr', key: 32, iv: 16, tag: 0 },
  'aes128-gcm@openssh.com': { name: 'aes-128-gcm', key: 16, iv: 12, tag: 16 },
  'aes256-gcm@openssh.com': { name: 'aes-256-gcm', key: 32, iv: 12, tag: 16 },
  '3des-cbc': { name: 'des-ede3-cbc', key: 24, iv: 8, tag: 0 },
};

export interface KeyEnvelope {
  readonly cipher: string;
  readonly kdf: string;
  readonly salt: Buffer;
  /** Of bcrypt_pbkdf; `ssh-keygen -a`. 0 where the key is not locked. */
  readonly rounds: number;
  /** The public half. */
  readonly publicBlob: Buffer;
  readonly locked: Buffer;
  readonly tag: Buffer;
}

/** null: the text is in no such format, or damaged. */
export function readEnvelope(text: string): KeyEnvelope | null {
  const base64 = /-----BEGIN OPENSSH PRIVATE KEY-----([\s\S]*?)-----END/.exec(text)?.[1];
  if (base64 === undefined) return null;
  const data = Buffer.from(base64, 'base64');
  if (!data.subarray(0, MAGIC.length).equals(MAGIC)) return null;
  let position = MAGIC.length;
  const fieldOf = (from: Buffer): Buffer | null => {
    if (position + 4 > from.length) return null;
    const length = from.readUInt32BE(position);
    const field = from.subarray(position + 4, position + 4 + length);
    position += 4 + length;
    return field.length === length ? field : null;
  };
  const cipher = fieldOf(data);
  const kdf = fieldOf(data);
  const options = fieldOf(data);
  position += 4; // how many keys: always one
  const publicBlob = fieldOf(data);
  if (cipher === null || kdf === null || options === null || publicBlob === null) return null;
  const locked = fieldOf(data) ?? Buffer.alloc(0);
  const tag = data.subarray(position);
  position = 0;
  const salt = fieldOf(options) ?? Buffer.alloc(0);
  const rounds = options.length >= position + 4 ? options.readUInt32BE(position) : 0;
  return {
    cipher: cipher.toString('latin1'),
    kdf: kdf.toString('latin1'),
    salt,
    rounds,
    publicBlob,
    locked,
    tag,
  };
}

/** Why it cannot be opened here, whatever the passphrase; null when it can. */
export function whyNotOpened({ cipher, kdf }: KeyEnvelope): string | null {
  const advice = 'use it through an ssh-agent, or change that by ssh-keygen -p -Z aes256-ctr';
  if (!(cipher in CIPHERS)) return `is locked with the cipher ${cipher}, which is not known here; ${advice}`;
  return kdf === 'bcrypt' ? null : `is locked by the method ${kdf}, which is not known here; ${advice}`;
}

/** What has to be derived from the passphrase: key and start value of the cipher, one after the other. */
export function derivationOf({ cipher, salt, rounds }: KeyEnvelope, passphrase: string): Derivation {
  const { key = 0, iv = 0 } = CIPHERS[cipher] ?? {};
  return { passphrase: Buffer.from(passphrase, 'utf8'), salt, rounds, length: key + iv };
}

/** The same key file without a lock. null: the passphrase was another one, or the file is damaged. */
export function openEnvelope(envelope: KeyEnvelope, derived: Uint8Array): string | null {
  const cipher = CIPHERS[envelope.cipher];
  if (cipher === undefined) return null;
  const { name, key, tag } = cipher;
  let open: Buffer;
  try {
    const decipher = createDecipheriv(name as 'aes-256-gcm', derived.subarray(0, key), derived.subarray(key));
    decipher.setAutoPadding(false);
    if (tag > 0) decipher.setAuthTag(envelope.tag.subarray(0, tag));
    open = Buffer.concat([decipher.update(envelope.locked), decipher.final()]);
  } catch {
    return null; // the tag does not fit, or the length is none of the cipher's
  }
  // Two equal numbers in front tell a right passphrase from a wrong one.
  if (open.length < 8 || open.readUInt32BE(0) !== open.readUInt32BE(4)) return null;
  const field = (data: Buffer): Buffer => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(data.length);
    return Buffer.concat([length, data]);
  };
  const none = field(Buffer.from('none'));
  const one = Buffer.from([0, 0, 0, 1]);
  const whole = [MAGIC, none, none, field(Buffer.alloc(0)), one, field(envelope.publicBlob), field(open)];
  const lines = Buffer.concat(whole).toString('base64').replace(/.{70}/g, '$&\n');
  return `-----BEGIN OPENSSH PRIVATE KEY-----\n${lines}\n-----END OPENSSH PRIVATE KEY-----\n`;
}
