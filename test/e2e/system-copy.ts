/**
 * A copy of the running system in which a package is really installed, and of which nothing stays: an overlay over `/`
 * in a mount namespace of its own. Not a chroot, because there the kernel refuses the user namespaces that Chromium's
 * sandbox is made of.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import enterFile from './system-copy.sh?raw';

const END_TIMEOUT_MS = 10_000;
const RUN_TIMEOUT_MS = 60_000;

function whyNot(): string | null {
  if (process.getuid?.() !== 0) return 'only root may install a package';
  const tried = spawnSync(
    'unshare',
    [
      '--mount',
      'sh',
      '-c',
      'mount -t tmpfs tmpfs /mnt && mkdir /mnt/u /mnt/w /mnt/r && mount -t overlay -o lowerdir=/,upperdir=/mnt/u,workdir=/mnt/w overlay /mnt/r',
    ],
    { encoding: 'utf8' },
  );
  return tried.status === 0 ? null : `an overlay cannot be mounted here: ${tried.stderr.trim()}`;
}
const reason = whyNot();
export const hasSystemCopy = reason === null;
/** Appended to a suite's name, so that a skip says why. */
export const whyNoSystemCopy = reason === null ? '' : ` (${reason})`;

export interface SystemCopy {
  /** Before a command: it then runs in the copy. */
  readonly enter: readonly string[];
  /** Runs a command there to its end and gives what it printed; throws with what it said otherwise. */
  run(...command: string[]): string;
  /** Ends it, and with it all its mounts. */
  end(): Promise<void>;
}

/** `layers`: an empty folder. */
export async function copySystem(layers: string): Promise<SystemCopy> {
  const holder = spawn(
    'unshare',
    ['--mount', '--propagation', 'private', 'sh', '-c', enterFile, 'sh', layers, tmpdir()],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  );
  const [said] = (await once(holder.stdout, 'data', { signal: AbortSignal.timeout(END_TIMEOUT_MS) })) as [
    Buffer,
  ];
  if (said.toString() !== 'ready\n') throw new Error(`no copy of the system: ${said.toString()}`);
  const enter = ['nsenter', `--target=${String(holder.pid)}`, '--mount', '--root'];
  // nsenter's own --wd takes the folder of the system outside, which the app can then not find.
  enter.push('sh', '-c', 'cd / && exec "$@"', 'sh');
  return {
    enter,
    run: (...command) => {
      const [first = '', ...rest] = [...enter, ...command];
      return execFileSync(first, rest, {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
        timeout: RUN_TIMEOUT_MS,
      });
    },
    end: async () => {
      const over = once(holder, 'exit', { signal: AbortSignal.timeout(END_TIMEOUT_MS) });
      holder.stdin.end();
      await over;
    },
  };
}
