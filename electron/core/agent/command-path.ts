/** The name in full of the program that a user calls on a host, from where their copy of the library is. Pure. */

/** It is copied into shells: a host says nothing else there than a plain path. */
const PLAIN = /^(\/[A-Za-z0-9._+@-]+){1,64}$/;
const PATH_MAX = 512;
/** The folder of a version; `current` beside it outlives an upgrade. */
const VERSION = /^\d+\.\d+\.\d+[A-Za-z0-9.+-]*-(x86_64|aarch64)$/;

export function commandPathOf(shimPath: string | null): string | null {
  if (
    shimPath === null ||
    shimPath.length > PATH_MAX ||
    !PLAIN.test(shimPath) ||
    /\/\.{1,2}(\/|$)/.test(shimPath)
  )
    return null;
  const parts = shimPath.split('/').slice(0, -1);
  const last = parts.at(-1) ?? '';
  const folder = VERSION.test(last) ? [...parts.slice(0, -1), 'current'] : parts;
  return `${folder.join('/')}/tranche`;
}
