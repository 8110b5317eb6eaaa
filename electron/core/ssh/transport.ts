/** Which of the two transports a host needs: ssh2 inside Tranche, or the system's own ssh for what ssh2 cannot do. */
import { access } from 'node:fs/promises';
import type { TransportChoice } from '../../../model/model.ts';
import { readKnownHosts } from './host-key.ts';
import { publicKeyOf } from './key-file.ts';
import { authorityOf, keyTypeOf } from './known-hosts.ts';
import type { SshTarget } from './target.ts';

export interface ChosenTransport {
  readonly used: 'built-in' | 'system';
  /** Why the system's ssh, in words that end "because …"; null for the built-in one. */
  readonly reason: string | null;
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/** Certificates that ssh would offer: the ones named, and `key-cert.pub` beside each key. */
async function certificateOf(target: SshTarget): Promise<string | null> {
  for (const path of target.certificateFiles) if (await exists(path)) return path;
  for (const path of target.identityFiles) if (await exists(`${path}-cert.pub`)) return `${path}-cert.pub`;
  return null;
}

async function securityKeyOf(target: SshTarget): Promise<string | null> {
  for (const path of target.identityFiles) {
    const blob = await publicKeyOf(path);
    if (blob !== null && keyTypeOf(blob).startsWith('sk-')) return path;
  }
  return null;
}

async function beyond(target: SshTarget): Promise<string | null> {
  const [setting] = target.systemOnly;
  if (setting !== undefined) return `the config asks for ${setting}`;
  const certificate = await certificateOf(target);
  if (certificate !== null) return `${certificate} is a certificate`;
  const securityKey = await securityKeyOf(target);
  if (securityKey !== null) return `${securityKey} is on a security key (FIDO)`;
  const files = await readKnownHosts(target);
  const authority = files.ok ? authorityOf(files.value, target) : null;
  if (authority)
    return `${authority.file} line ${String(authority.line)} trusts a certificate authority for its host key`;
  return target.jump === null ? null : beyond(target.jump);
}

/** With `auto`, the system's ssh only where it is needed. Its absence is told by the attempt, with the reason. */
export async function chooseTransport(target: SshTarget, choice: TransportChoice): Promise<ChosenTransport> {
  if (target.pinned || choice === 'built-in') return { used: 'built-in', reason: null };
  if (choice === 'system') return { used: 'system', reason: 'it was chosen for this host' };
  const reason = await beyond(target);
  return reason === null ? { used: 'built-in', reason } : { used: 'system', reason };
}
