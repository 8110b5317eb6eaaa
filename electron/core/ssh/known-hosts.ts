/** known_hosts as OpenSSH reads it (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"): a verdict for one offered host key. */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

export interface KnownHostsFile {
  readonly path: string;
  readonly text: string;
}

export interface KnownKey {
  readonly file: string;
  /** 1-based. */
  readonly line: number;
  readonly keyType: string;
  readonly fingerprint: string;
}

export type HostKeyVerdict =
  | { readonly kind: 'known' }
  /** `authority`: a line that lets a certificate authority vouch for this host, which we cannot check. */
  | { readonly kind: 'unknown'; readonly authority: KnownKey | null }
  /** Another key of the same type stands there. */
  | { readonly kind: 'changed'; readonly known: KnownKey }
  | { readonly kind: 'revoked'; readonly known: KnownKey };

interface Entry {
  readonly marker: string | null;
  readonly patterns: string;
  readonly keyType: string;
  readonly key: string;
}

/** `SHA256:…` without padding, as ssh prints it. */
export function fingerprint(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
}

/** The type is the first length-prefixed string of the blob. */
export function keyTypeOf(key: Buffer): string {
  const length = key.length >= 4 ? key.readUInt32BE(0) : 0;
  return key.subarray(4, 4 + Math.min(length, 64)).toString('latin1');
}

/** The name under which a host is looked up: bare on port 22, `[host]:port` elsewhere. */
export function lookupName(host: string, port: number): string {
  const lower = host.toLowerCase();
  return port === 22 ? lower : `[${lower}]:${String(port)}`;
}

/** HostKeyAlias is looked up by itself, whatever the port. */
export interface HostIdentity {
  readonly hostName: string;
  readonly port: number;
  readonly hostKeyAlias: string | null;
}
export const nameToRemember = ({ hostName, port, hostKeyAlias }: HostIdentity): string =>
  hostKeyAlias?.toLowerCase() ?? lookupName(hostName, port);

function parseLine(line: string): Entry | null {
  const fields = line.trim().split(/[ \t]+/);
  if (fields[0] === undefined || fields[0] === '' || fields[0].startsWith('#')) return null;
  const marker = fields[0].startsWith('@') ? fields.shift() : null;
  const [patterns, keyType, key] = fields;
  if (patterns === undefined || keyType === undefined || key === undefined) return null;
  return { marker: marker ?? null, patterns, keyType, key };
}

function globMatches(pattern: string, name: string): boolean {
  const expression = pattern
    .toLowerCase()
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${expression}$`, 's').test(name.toLowerCase());
}

function hashedMatches(pattern: string, name: string): boolean {
  const [, , salt, hash] = pattern.split('|');
  if (salt === undefined || hash === undefined) return false;
  const wanted = Buffer.from(hash, 'base64');
  const actual = createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest();
  return wanted.length === actual.length && timingSafeEqual(wanted, actual);
}

/** A negated pattern that matches vetoes the whole line, whatever else matches. */
function entryMatches(entry: Entry, name: string): boolean {
  if (entry.patterns.startsWith('|1|')) return hashedMatches(entry.patterns, name);
  let matched = false;
  for (const pattern of entry.patterns.split(',')) {
    if (pattern.startsWith('!')) {
      if (globMatches(pattern.slice(1), name)) return false;
    } else if (globMatches(pattern, name)) {
      matched = true;
    }
  }
  return matched;
}

function* matchingEntries(
  files: readonly KnownHostsFile[],
  name: string,
): Generator<{ entry: Entry; known: KnownKey; key: Buffer }> {
  for (const file of files) {
    for (const [index, line] of file.text.split('\n').entries()) {
      const entry = parseLine(line);
      if (!entry || !entryMatches(entry, name)) continue;
      const key = Buffer.from(entry.key, 'base64');
      yield {
        entry,
        key,
        known: { file: file.path, line: index + 1, keyType: entry.keyType, fingerprint: fingerprint(key) },
      };
    }
  }
}

function judgeName(files: readonly KnownHostsFile[], name: string, offered: Buffer): HostKeyVerdict {
  const type = keyTypeOf(offered);
  let known = false;
  let changed: KnownKey | null = null;
  let authority: KnownKey | null = null;
  for (const match of matchingEntries(files, name)) {
    const same = match.key.equals(offered);
    if (match.entry.marker === '@revoked') {
      if (same) return { kind: 'revoked', known: match.known };
    } else if (match.entry.marker === '@cert-authority') {
      // It speaks of certificates: a plain key is neither vouched for nor contradicted by it.
      authority ??= match.known;
    } else if (match.entry.marker === null) {
      if (same) known = true;
      else if (match.entry.keyType === type) changed ??= match.known;
    }
  }
  if (known) return { kind: 'known' };
  return changed ? { kind: 'changed', known: changed } : { kind: 'unknown', authority };
}

/** Revoked beats known beats changed beats unknown; a known key of another type is no mismatch. */
export function judgeHostKey(
  files: readonly KnownHostsFile[],
  host: HostIdentity,
  offered: Buffer,
): HostKeyVerdict {
  const verdict = judgeName(files, nameToRemember(host), offered);
  if (verdict.kind !== 'unknown' || host.hostKeyAlias !== null || host.port === 22) return verdict;
  // As ssh: a host on another port may be vouched for by its bare name, but is never contradicted by it.
  const bare = judgeName(files, host.hostName.toLowerCase(), offered);
  return bare.kind === 'known' || bare.kind === 'revoked' ? bare : verdict;
}

/** Key types on record for a host, so that the handshake can ask for one of these, as ssh does. */
export function knownKeyTypes(files: readonly KnownHostsFile[], host: HostIdentity): readonly string[] {
  const types = new Set<string>();
  for (const { entry } of matchingEntries(files, nameToRemember(host)))
    if (entry.marker === null) types.add(entry.keyType);
  return [...types];
}

/** The line by which a certificate authority vouches for a host, if there is one and no plain key. */
export function authorityOf(files: readonly KnownHostsFile[], host: HostIdentity): KnownKey | null {
  let found: KnownKey | null = null;
  for (const { entry, known } of matchingEntries(files, nameToRemember(host))) {
    if (entry.marker === null) return null;
    if (entry.marker === '@cert-authority') found ??= known;
  }
  return found;
}

/** The line that ssh itself would append. */
export function knownHostsLine(host: HostIdentity, key: Buffer, hashed: boolean): string {
  let name = nameToRemember(host);
  if (hashed) {
    const salt = randomBytes(20);
    name = `|1|${salt.toString('base64')}|${createHmac('sha1', salt).update(name).digest('base64')}`;
  }
  return `${name} ${keyTypeOf(key)} ${key.toString('base64')}\n`;
}
