import { readFileSync, readdirSync } from 'node:fs';

/** Who runs this executable with this argument among its own. */
export function processesOf(executable: string, argument = ''): string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      const argv = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      return argv.startsWith(executable) && argv.includes(argument);
    } catch {
      return false; // gone meanwhile
    }
  });
}

/** Seccomp 2: a system call filter is installed, as only the sandbox does. */
export const isSandboxed = (pid: string): boolean =>
  /^Seccomp:\s+2$/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
