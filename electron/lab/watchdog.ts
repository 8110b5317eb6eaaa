/**
 * Ends everything that runs in a private root and removes the root, when the lab is gone, however it went: the
 * watchdog's stdin is a pipe from the lab, so even kill -9 of the lab closes it.
 */
import { spawn } from 'node:child_process';

const SCRIPT = String.raw`
root=$1
cat > /dev/null
running() { grep -lzsa "^TRANCHE_ROOT=$root/" /proc/[0-9]*/environ 2>/dev/null | tr -dc '0-9\n'; }
for signal in TERM KILL KILL KILL; do
  pids=$(running)
  [ -n "$pids" ] || break
  kill -s $signal $pids 2>/dev/null
  for tick in 1 2 3 4 5; do [ -n "$(running)" ] || break; sleep 0.1; done
done
rm -rf "$root"
`;

/** Returns a function that lets the watchdog act now. */
export function startWatchdog(root: string): () => void {
  if (!/^\/[A-Za-z0-9._/-]+$/.test(root)) throw new Error(`the private root has an unusual path: ${root}`);
  const child = spawn('/bin/sh', ['-c', SCRIPT, 'tranche-lab-watchdog', root], {
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
