/**
 * Runs a server in a mount namespace of its own, in which this user's account has another shell, home, password or PAM
 * stack. Nothing outside the namespace changes, and it is gone with the server. Needs root.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';

export interface Account {
  readonly shell?: string;
  readonly home?: string;
  readonly password?: string;
  /** Lines of /etc/pam.d/sshd. */
  readonly pam?: readonly string[];
}

export const whyNoAccounts: string | null =
  process.getuid?.() === 0 ? null : 'only root can give an account another shell or password';

/** One line of /etc/passwd or /etc/shadow with some of its fields replaced. */
function withFields(path: string, fields: Readonly<Record<number, string | undefined>>): string {
  const user = userInfo().username;
  const lines = readFileSync(path, 'utf8')
    .split('\n')
    .map((line) => {
      if (!line.startsWith(`${user}:`)) return line;
      return line
        .split(':')
        .map((value, index) => fields[index] ?? value)
        .join(':');
    });
  return lines.join('\n');
}

const hashOf = (password: string): string =>
  execFileSync('perl', ['-e', 'print crypt($ARGV[0], q($6$tranchetests$))', password], { encoding: 'utf8' });

export function spawnWithAccount(
  folder: string,
  account: Account,
  command: string,
  args: readonly string[],
  stdio: 'ignore' | ['ignore', number, number],
): ChildProcess {
  const write = (name: string, text: string, mode: number): string => {
    const path = join(folder, name);
    writeFileSync(path, text, { mode });
    return path;
  };
  const passwd = write('passwd', withFields('/etc/passwd', { 5: account.home, 6: account.shell }), 0o644);
  const shadow = write(
    'shadow',
    withFields('/etc/shadow', {
      1: account.password === undefined ? undefined : hashOf(account.password),
    }),
    0o600,
  );
  const pam = write('pam', `${(account.pam ?? ['auth required pam_deny.so']).join('\n')}\n`, 0o644);
  // dropbear lets nobody in whose shell is not listed there.
  const shells = write('shells', `${readFileSync('/etc/shells', 'utf8')}\n${account.shell ?? ''}\n`, 0o644);
  const script = [
    'mount --bind "$1" /etc/passwd',
    'mount --bind "$2" /etc/shadow',
    'mount --bind "$3" /etc/shells',
    'if [ -e /etc/pam.d/sshd ]; then mount --bind "$4" /etc/pam.d/sshd; fi',
    'shift 4',
    'exec "$@"',
  ].join(' && ');
  return spawn(
    'unshare',
    [
      '--mount',
      '--propagation',
      'private',
      '/bin/sh',
      '-c',
      script,
      'sh',
      passwd,
      shadow,
      shells,
      pam,
      command,
      ...args,
    ],
    { stdio },
  );
}
