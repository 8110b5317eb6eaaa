/** What people type to name a host: `host`, `user@host`, `user@host:port`, `user@[v6]:port`. */
import { fail, ok, type Result } from '../../../model/errors.ts';
import { plainText } from './plain-text.ts';

export interface TypedAddress {
  readonly user: string | null;
  readonly host: string;
  readonly port: number | null;
}

/** A leading `-` would reach `ssh -G` as an option; control characters and spaces never belong into a host name. */
// oxlint-disable-next-line no-control-regex
const UNSAFE = /^-|[\u0000-\u0020\u007f"'`\\$;&|<>(){}*?!]/;
/** With its prefix an address is an id, which has a bound of its own (model/ipc.ts). */
const ADDRESS_MAX = 280;

/** A name of the config, whole: only what stands before an @ is the user's name, as in ssh. */
export function nameOfConfig(name: string): Result<TypedAddress> {
  return name.includes('@') || UNSAFE.test(name)
    ? parseAddress(name)
    : ok({ user: null, host: name, port: null });
}

export function parseAddress(text: string): Result<TypedAddress> {
  const typed = text.trim();
  const bad = (why: string) =>
    fail(
      'bad-host-name',
      `“${plainText(typed).slice(0, 80)}” is not a host: ${why} Nothing was saved. Type it as user@host or user@host:port.`,
    );
  if (typed === '')
    return fail('bad-host-name', 'No host was typed. Type it as user@host or user@host:port.');
  if (typed.length > ADDRESS_MAX) return bad(`it has more than ${String(ADDRESS_MAX)} characters.`);
  if (plainText(typed) !== typed) return bad('it has characters that cannot be seen.');
  const at = typed.lastIndexOf('@');
  const user = at === -1 ? null : typed.slice(0, at);
  const rest = typed.slice(at + 1);
  const match =
    /^(?:\[([0-9a-fA-F:.%]+)\]|([^:\s]+)|([0-9a-fA-F:]*:[0-9a-fA-F:]*:[0-9a-fA-F:.]*))(?::(\d{1,5}))?$/.exec(
      rest,
    );
  const host = match?.[1] ?? match?.[2] ?? match?.[3];
  if (!match || host === undefined) return bad('it has no host name.');
  if (user === '') return bad('the user name is empty.');
  if (UNSAFE.test(host)) return bad('the host name has characters that no host name has.');
  if (user !== null && UNSAFE.test(user)) return bad('the user name has characters that no user name has.');
  const port = match[4] === undefined ? null : Number(match[4]);
  if (port !== null && (port < 1 || port > 65535)) return bad('the port must be from 1 to 65535.');
  return ok({ user, host, port });
}
