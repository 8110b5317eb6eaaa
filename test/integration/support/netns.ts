/**
 * A network namespace with one cable to this one: what a host on a network is, and what its going away is (packets that
 * nobody answers, not a refused connection). Needs the right to make network devices.
 */
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';

export interface Netns {
  /** Of its end of the cable. */
  readonly address: string;
  spawn(command: string, args: readonly string[]): ChildProcess;
  /** Its end goes down: packets to it are lost from now on. */
  pull(): void;
  plugIn(): void;
  stop(): void;
}

/** For tests of networks (RFC 2544): no host that anybody means has one of these. Another subnet for each process. */
const subnet = process.pid % 16_000;
const addressOf = (host: number): string => {
  const last = subnet * 4 + host;
  return `198.18.${String(last >> 8)}.${String(last & 255)}`;
};
const OURS = addressOf(1);
const THEIRS = addressOf(2);
const device = `tr${String(process.pid % 100_000)}`;

function probe(): string | null {
  if (process.platform !== 'linux') return 'network namespaces are Linux';
  const words = 'link add tr0 type veth peer name tr1'.split(' ');
  const tried = spawnSync('unshare', ['--net', 'ip', ...words]);
  return tried.status === 0 ? null : 'network devices cannot be made here (CAP_NET_ADMIN)';
}
export const whyNoNetns: string | null = probe();

export async function makeNetns(): Promise<Netns> {
  // Its stdin ends with this process, and so does the namespace.
  const holder = spawn('unshare', ['--net', 'sh', '-c', 'echo here; exec cat >/dev/null'], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  await once(holder.stdout, 'data');
  const inside = ['-t', String(holder.pid), '-n'];
  const ip = (...args: readonly string[]) => execFileSync('ip', args, { stdio: 'pipe' });
  const within = (...args: readonly string[]) =>
    execFileSync('nsenter', [...inside, 'ip', ...args], { stdio: 'pipe' });
  ip('link', 'add', device, 'type', 'veth', 'peer', 'name', `${device}p`, 'netns', String(holder.pid));
  ip('addr', 'add', `${OURS}/30`, 'dev', device);
  ip('link', 'set', device, 'up');
  within('link', 'set', 'lo', 'up');
  within('addr', 'add', `${THEIRS}/30`, 'dev', `${device}p`);
  within('link', 'set', `${device}p`, 'up');
  return {
    address: THEIRS,
    spawn: (command, args) => spawn('nsenter', [...inside, command, ...args], { stdio: 'ignore' }),
    pull: () => {
      within('link', 'set', `${device}p`, 'down');
    },
    plugIn: () => {
      within('link', 'set', `${device}p`, 'up');
    },
    stop: () => {
      holder.stdin.end();
      ip('link', 'del', device);
    },
  };
}
