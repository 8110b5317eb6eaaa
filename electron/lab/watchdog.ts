/**
 * Ends everything that runs in a private root and removes the root, when the lab is gone, however it went: the
 * watchdog's stdin is a pipe from the lab, so even kill -9 of the lab closes it.
 */
import { spawn } from 'node:child_process';
import watchdogFile from './watchdog.sh?raw';

/** Returns a function that lets the watchdog act now. */
export function startWatchdog(root: string): () => void {
  if (!/^\/[A-Za-z0-9._/-]+$/.test(root)) throw new Error(`the private root has an unusual path: ${root}`);
  const child = spawn('/bin/sh', ['-c', watchdogFile, 'tranche-lab-watchdog', root], {
    detached: true,
    cwd: '/',
    env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C' },
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  child.on('error', () => undefined); // no /bin/sh: then nothing of the lab ran either
  child.unref();
  return () => {
    child.stdin.end();
  };
}
