/** Looking into a process: by who asks, with his rights, and never by the agent, which may be root. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  AttachedProcess,
  Client,
  DAEMON,
  hasEnded,
  hasShim,
  hasSim,
  isRoot,
  NOBODY,
  TestHost,
  until,
  type Line,
  type Root,
} from './agent_process.ts';

/** Maps two files as a program with the library and the driver does, then waits. */
const MAPS = `#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
int main(int n, char **v) {
  char path[500];
  const char *names[] = {"libtranche.so", "libcuda.so.1"};
  for (int i = 0; i < 2; i++) {
    snprintf(path, sizeof path, "%s/%s", v[n - 1], names[i]);
    int fd = open(path, O_RDWR | O_CREAT, 0644);
    if (fd < 0 || ftruncate(fd, 4096) != 0) return 1;
    if (mmap(0, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED) return 2;
  }
  puts("mapped");
  fflush(stdout);
  pause();
}`;

let host: TestHost;
let root: Root;

beforeEach(() => {
  host = new TestHost();
  root = host.root;
});

afterEach(() => host.end());

const codesOf = (reply: Line): string[] =>
  (reply['findings'] as { code: string }[])
    .map(({ code }) => code)
    .filter((code) => code.startsWith('process'));

/** A program of that user whose environment says where its usage file is: at `usage/…` of a folder of his. */
async function pretend(folder: string, uid: number, env: NodeJS.ProcessEnv): Promise<number> {
  writeFileSync(join(root.path, 'maps.c'), MAPS);
  execFileSync('gcc', ['-o', join(root.path, 'maps'), join(root.path, 'maps.c')]);
  chmodSync(join(root.path, 'maps'), 0o755);
  mkdirSync(join(folder, 'usage'), { recursive: true });
  chownSync(folder, uid, uid);
  const child = host.keep(
    spawn(join(root.path, 'maps'), [folder], { env, uid, gid: uid, stdio: ['ignore', 'pipe', 'ignore'] }),
  );
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (more: string) => (text += more));
  await until('the files to be mapped', () => text.includes('mapped'));
  return child.pid ?? 0;
}

describe.skipIf(!hasSim || !isRoot)('a process that somebody asks about', () => {
  test('root’s agent opens nothing that its environment names, and tells nothing of it', async () => {
    host.openToOthers();
    await host.start();
    const secret = join(root.path, 'secret');
    const folder = join(root.path, 'theirs');
    mkdirSync(secret, { mode: 0o700 });
    execFileSync('mkfifo', [join(secret, 'watchdog')]);
    const pid = await pretend(folder, NOBODY, {
      TRANCHE_RUNTIME_DIR: folder,
      TRANCHE_SLICES: '../../secret/watchdog,s-x',
      TRANCHE_DISABLE: '1',
    });
    // It can open the FIFO only when somebody else opens it to read.
    const writer = host.keep(spawn('sh', ['-c', ': > "$0"', join(secret, 'watchdog')], { stdio: 'ignore' }));
    await until(
      'the writer to wait',
      () =>
        spawnSync('grep', ['-q', 'fifo', `/proc/${String(writer.pid)}/wchan`]).status === 0 ||
        spawnSync('grep', ['-q', '^State:\tS', `/proc/${String(writer.pid)}/status`]).status === 0,
    );
    const client = await Client.open(root);
    expect(codesOf(await client.ask('doctor', { pid }))).toEqual(['process-not-seen']);
    // The agent has gone on to its next request, and the writer still waits.
    expect(await client.ask('hours')).toMatchObject({ ok: true });
    expect(hasEnded(writer)).toBe(false);
    client.close();
    // Root's command line looks, and follows no path either.
    const told = host.tranche(['doctor', '--json', '--pid', String(pid)]);
    const codes = (JSON.parse(told.stdout) as { code: string }[]).map(({ code }) => code);
    expect(codes).toContain('process-bypasses');
    expect(hasEnded(writer)).toBe(false);
  });

  test('attach looks for its own user, who sees his own programs and not those of others', async () => {
    const copied = host.openToOthers();
    await host.start({ bin: copied('tranche') });
    const folder = join(root.path, 'theirs');
    const pid = await pretend(folder, NOBODY, { TRANCHE_RUNTIME_DIR: folder, TRANCHE_SLICES: 's-x' });
    const command = [copied('tranche'), 'attach', 'x'];
    const own = new AttachedProcess(root, command, { uid: NOBODY, gid: NOBODY });
    const other = new AttachedProcess(root, command, { uid: DAEMON, gid: DAEMON });
    host.keep(own.child);
    host.keep(other.child);
    expect(codesOf(await own.ask('doctor-process', { pid, hasEntry: false }))).toEqual(['process-bypasses']);
    expect(codesOf(await own.ask('doctor-process', { pid }))).toEqual(['process-shim']);
    expect(codesOf(await other.ask('doctor-process', { pid }))).toEqual(['process-unreadable']);
    expect(await own.ask('doctor-process', {})).toMatchObject({ ok: false, code: 'bad-request' });
  });
});

describe.skipIf(!hasShim || !isRoot)('a library in a folder that somebody else made', () => {
  test('run loads it into nothing', async () => {
    const copied = host.openToOthers();
    await host.start();
    const client = await Client.open(root);
    expect(await client.create({ owner: 'daemon' })).toMatchObject({ ok: true });
    client.close();
    // As in /var/tmp: the folder is another's, what is in it was deployed by the user.
    const shared = join(root.path, 'shared');
    mkdirSync(shared);
    chmodSync(shared, 0o1777);
    const theirs = join(shared, 'tranche-1');
    mkdirSync(join(theirs, '0.1'), { recursive: true });
    for (const file of ['tranche', 'libtranche.so']) {
      execFileSync('cp', [copied(file), join(theirs, '0.1', file)]);
      chownSync(join(theirs, '0.1', file), DAEMON, DAEMON);
    }
    symlinkSync('0.1', join(theirs, 'current'));
    chownSync(join(theirs, '0.1'), DAEMON, DAEMON);
    const bin = join(theirs, '0.1/tranche');
    const run = () => host.tranche(['run', '--slice', 'one', '--', 'true'], { bin, uid: DAEMON });
    expect(run()).toMatchObject({ status: 0, stderr: '' });
    chownSync(theirs, NOBODY, NOBODY);
    const refused = run();
    expect(refused.status).toBe(125);
    expect(refused.stderr).toMatch(
      /tranche-1 belongs to uid 65534, and whoever that is could put another library/,
    );
    chownSync(theirs, DAEMON, DAEMON);
    expect(run().status).toBe(0);
  });
});
