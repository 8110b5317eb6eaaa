/**
 * Chromium keeps its sandbox only for users other than root, and CI is root. So that the sandbox is on in every test,
 * a browser is started through a small script that gives up root first; the user it becomes owns nothing else.
 */
import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** nobody:nogroup on Debian, and a number that no account needs to have. */
export const UNPRIVILEGED_ID = 65534;

export const isRoot = (): boolean => process.getuid?.() === 0;

/** A folder that the unprivileged user may write. */
export function shareFolder(path: string): string {
  mkdirSync(path, { recursive: true });
  chmodSync(path, 0o755);
  if (isRoot()) chownSync(path, UNPRIVILEGED_ID, UNPRIVILEGED_ID);
  return path;
}

const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** What to start instead of the executable: itself, or the script. */
export function unprivilegedLauncher(executable: string, folder: string): string {
  if (!isRoot()) return executable;
  const home = shareFolder(join(folder, 'home'));
  const script = join(folder, 'launch.sh');
  const id = String(UNPRIVILEGED_ID);
  writeFileSync(
    script,
    [
      '#!/bin/sh',
      'for argument do case "$argument" in',
      `  --user-data-dir=*) chown -R ${id}:${id} "\${argument#--user-data-dir=}";;`,
      'esac; done',
      `export HOME=${quote(home)} XDG_CONFIG_HOME=${quote(home)} XDG_CACHE_HOME=${quote(home)} XDG_RUNTIME_DIR=${quote(home)}`,
      `exec setpriv --reuid=${id} --regid=${id} --clear-groups -- ${quote(executable)} "$@"`,
      '',
    ].join('\n'),
    { mode: 0o755 },
  );
  return script;
}
