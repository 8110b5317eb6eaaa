/**
 * A control group for each slice: real groups of this machine below one of the test's own, real users, a real agent. Programs
 * are moved by the agent alone, stay in their group over its death, and no group outlives slice and programs.
 */
import { execFileSync, spawnSync, type ChildProcess } from 'node:child_process';
import { chownSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  AttachedProcess,
  Client,
  DAEMON,
  endAllIn,
  GPU1,
  hasShim,
  hasSim,
  NOBODY,
  TestHost,
  until,
  type Root,
} from './agent_process.ts';
import { CgroupRoot, noGroups } from './cgroup_root.ts';

/** Says in which group it and a child of its own are, and stays. */
const TELL = 'cat /proc/$$/cgroup; sh -c "cat /proc/self/cgroup"; echo there; exec sleep 60';
/** Connects and ends; its child, which has the connection, gives that number to another process, and asks. Says the answer,
 * and whether that other process is in a group of this name. */
const HEIR = `
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
int main(int n, char **argv) { struct sockaddr_un a = {.sun_family = AF_UNIX}; char text[4096]; int ready[2];
  if (n < 3 || pipe(ready)) return 3; strncpy(a.sun_path, argv[1], sizeof a.sun_path - 1);
  if (fork() == 0) { int fd = socket(AF_UNIX, SOCK_STREAM, 0); if (connect(fd, (struct sockaddr *)&a, sizeof a)) return 4;
    pid_t old = getpid(); if (fork() != 0) _exit(0);
    close(ready[1]); char c; while (read(ready[0], &c, 1) > 0) continue; /* until the one that connected is gone */
    struct clone_args same = {.exit_signal = SIGCHLD, .set_tid = (uintptr_t)&old, .set_tid_size = 1};
    pid_t heir = syscall(SYS_clone3, &same, sizeof same); if (heir == 0) for (;;) pause();
    if (heir != old) return 6;
    int m = snprintf(text, sizeof text, "{\\"id\\":1,\\"op\\":\\"scope-enter\\",\\"sliceId\\":\\"%s\\"}\\n", argv[2]);
    if (write(fd, text, m) != m) return 5; m = read(fd, text, sizeof text - 1); text[m > 0 ? m : 0] = 0;
    printf("%s", text); snprintf(text, sizeof text, "/proc/%d/cgroup", (int)old); FILE *f = fopen(text, "r");
    while (f && fgets(text, sizeof text, f)) if (strstr(text, argv[2])) puts("MOVED");
    kill(heir, SIGKILL); fflush(stdout); _exit(0); }
  wait(NULL); close(ready[0]); close(ready[1]); return 0; }
`;

let host: TestHost;
let root: Root;
let groups: CgroupRoot;

beforeEach(() => {
  host = new TestHost();
  root = host.root;
  groups = new CgroupRoot();
  root.env['TRANCHE_CGROUP_ROOT'] = groups.path;
});

afterEach(async () => {
  try {
    await host.end(() => endAllIn(root));
  } finally {
    await groups.end();
  }
});

interface Told {
  readonly child: ChildProcess;
  readonly said: () => string;
  readonly complained: () => string;
  there(): Promise<string[]>;
}

/** The groups of v2 that it and its child said. */
function tell(slice: string, options: Parameters<TestHost['run']>[2] = {}, before: string[] = []): Told {
  let text = '';
  let errors = '';
  const child = host.run(slice, [...before, 'sh', '-c', TELL], {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...options,
  });
  child.stdout?.setEncoding('utf8').on('data', (more: string) => (text += more));
  child.stderr?.setEncoding('utf8').on('data', (more: string) => (errors += more));
  return {
    child,
    said: () => text,
    complained: () => errors,
    there: async () => {
      await until(`the program to be there (${errors})`, () => text.includes('there\n'));
      return text.split('\n').filter((line) => line.startsWith('0::'));
    },
  };
}

async function open(fields: Record<string, unknown> = {}): Promise<{ client: Client; id: string }> {
  await host.start();
  const client = await Client.open(root);
  const reply = await client.create(fields);
  expect(reply).toMatchObject({ ok: true });
  return { client, id: String(reply['sliceId']) };
}

describe.skipIf(!hasSim || !hasShim || noGroups !== null)(
  `control groups of slices${noGroups === null ? '' : ` (skipped: ${noGroups})`}`,
  () => {
    test('a program and its children are in the group of their slice', async () => {
      const { client, id } = await open();
      expect(groups.scopes()).toEqual([id]);
      expect(await client.ask('hello', { protocolMin: 1, protocolMax: 1 })).toMatchObject({ scopes: true });
      const one = tell('one');
      expect(await one.there()).toEqual([groups.line(id), groups.line(id)]);
      expect(one.complained()).toBe('');
      expect(groups.members(id)).toEqual([one.child.pid]);
      const doctor = host.tranche(['doctor', '--json']);
      expect(doctor.stdout).toContain(`Each slice has a control group, in ${groups.path}/slices.`);
      client.close();
    });

    test('so is one behind the gate, with its supervisor', async () => {
      const { client, id } = await open();
      const one = tell('one', { options: ['--gate'] });
      await one.there();
      expect(groups.members(id)).toContain(one.child.pid);
      expect(groups.members(id).length).toBeGreaterThan(1);
      client.close();
    });

    test('a job and a terminal are in the group of their slice', async () => {
      const { client, id } = await open();
      const seen = join(root.path, 'seen');
      const command = `cat /proc/self/cgroup > ${seen}-job`;
      expect(host.tranche(['job', 'start', '--slice', 'one', '--', 'sh', '-c', command]).status).toBe(0);
      const has = (name: string): Promise<true> =>
        until(`${name} in the group`, () => {
          try {
            return readFileSync(`${seen}-${name}`, 'utf8').split('\n').includes(groups.line(id)) || null;
          } catch {
            return null;
          }
        });
      await has('job');
      const viewer = new AttachedProcess(root);
      host.keep(viewer.child);
      const terminal = await viewer.ask('terminal-open', { sliceId: id, columns: 80, rows: 24 });
      expect(terminal).toMatchObject({ ok: true });
      const { terminalId } = terminal;
      const text = `cat /proc/self/cgroup > ${seen}-terminal\nexit\n`;
      const data = Buffer.from(text).toString('base64');
      expect(await viewer.ask('terminal-input', { terminalId, data })).toMatchObject({ ok: true });
      await has('terminal');
      await viewer.ask('terminal-close', { terminalId });
      client.close();
    });

    test('its owner enters, and nobody else; nobody puts a process there by hand', async () => {
      const tranche = host.openToOthers();
      const { client, id } = await open({ owner: 'nobody' });
      const theirs = String(
        (await client.create({ owner: 'daemon', name: 'two', gpuUuid: GPU1 }))['sliceId'],
      );
      const bin = tranche('tranche');
      const one = tell('one', { bin, uid: NOBODY });
      expect(await one.there()).toEqual([groups.line(id), groups.line(id)]);
      const refused = host.tranche(['run', '--slice', 'two', '--', 'true'], { bin, uid: NOBODY });
      expect(refused.stderr).toContain('belongs to daemon');
      const asked = spawnSync(
        process.execPath,
        [
          '-e',
          `const s = require('net').connect(process.argv[1]); s.write(JSON.stringify({id: 1, op: 'scope-enter', sliceId: process.argv[2]}) + '\\n');
           s.on('data', (d) => { process.stdout.write(d); s.end(); });`,
          join(root.path, 'root', 'agent.sock'),
          theirs,
        ],
        { encoding: 'utf8', uid: NOBODY, gid: NOBODY, cwd: '/', timeout: 10_000 },
      );
      expect(asked.stdout).toContain('"code":"not-permitted"');
      expect(groups.members(theirs)).toEqual([]);
      for (const uid of [NOBODY, DAEMON]) {
        const procs = join(groups.scope(id), 'cgroup.procs');
        const written = spawnSync('sh', ['-c', `echo $$ > ${procs}`], { uid, gid: uid, encoding: 'utf8' });
        expect(written.status).not.toBe(0);
      }
      client.close();
    });

    test('a connection moves the process that made it, not the one that has it now', async () => {
      const { client, id } = await open();
      const heir = join(root.path, 'heir');
      writeFileSync(`${heir}.c`, HEIR);
      execFileSync('gcc', ['-o', heir, `${heir}.c`]);
      const socket = join(root.path, 'root', 'agent.sock');
      const asked = spawnSync(heir, [socket, id], { encoding: 'utf8', timeout: 10_000 });
      expect(asked.stdout).toContain('"code":"scope-refused"');
      expect(asked.stdout).not.toContain('MOVED');
      client.close();
    });

    test('a program in a container stays in the container’s group, says so, and runs', async () => {
      const { client, id } = await open();
      let text = '';
      const words = ['--pid', '--fork', '--mount-proc', '--', '/bin/sh', '-c'];
      const run = `${join(import.meta.dirname, '../../build/agent/x86_64/tranche')} run --slice one -- cat /proc/self/cgroup`;
      const child = spawnSync('unshare', [...words, run], {
        env: root.env,
        encoding: 'utf8',
        timeout: 20_000,
      });
      text = child.stdout;
      expect(child.stderr).toContain('is in a container, and stays in that container’s control group');
      expect(child.stderr).toContain('The program runs in the control group of this shell');
      expect(text).toContain('0::');
      expect(text).not.toContain(groups.line(id));
      client.close();
    });

    test('the agent is killed: programs stay in their groups, which are found again', async () => {
      const { client, id } = await open();
      const one = tell('one');
      await one.there();
      client.close();
      await host.agent?.stop('SIGKILL');
      mkdirSync(groups.scope('s-00000000deadbeef')); // of a slice that was deleted meanwhile
      await host.start();
      expect(groups.members(id)).toEqual([one.child.pid]);
      expect(groups.scopes()).toEqual([id]);
      const other = tell('one');
      expect(await other.there()).toEqual([groups.line(id), groups.line(id)]);
    });

    test('a deleted slice’s group goes when its last program has, and ends nobody', async () => {
      const { client, id } = await open();
      const one = tell('one');
      await one.there();
      const { revision } = (await client.ask('slice-rename', { sliceId: id, revision: 1, name: 'uno' })) as {
        revision: number;
      };
      const deleted = await client.ask('slice-delete', { sliceId: id, revision, withProcesses: true });
      expect(deleted).toMatchObject({ ok: true });
      const empty = String((await client.create({ name: 'empty' }))['sliceId']);
      await client.ask('slice-delete', { sliceId: empty, revision: 1 });
      await until('the empty group to go', () => !groups.scopes().includes(empty));
      expect(groups.members(id)).toEqual([one.child.pid]);
      expect(one.child.exitCode).toBeNull();
      one.child.kill('SIGKILL');
      await until('the group to go', () => groups.scopes().length === 0);
      // Taken back within its ten minutes: there is one again.
      expect(await client.ask('undo', { undoToken: deleted['undoToken'] })).toMatchObject({ ok: true });
      await until('the group to come back', () => groups.scopes().includes(id));
      client.close();
    });

    test('a group that somebody else could change is not used', async () => {
      chownSync(groups.path, NOBODY, NOBODY);
      const { client } = await open();
      expect(await client.ask('hello', { protocolMin: 1, protocolMax: 1 })).toMatchObject({ scopes: false });
      expect(host.tranche(['doctor', '--json']).stdout).toContain('somebody other than root could change it');
      expect(groups.scopes()).toEqual([]);
      const one = tell('one');
      await one.there();
      expect(one.complained()).toBe('');
      client.close();
    });

    test('without being told of a group, a private agent makes none', async () => {
      delete root.env['TRANCHE_CGROUP_ROOT'];
      const { client } = await open();
      expect(await client.ask('hello', { protocolMin: 1, protocolMax: 1 })).toMatchObject({ scopes: false });
      expect(host.tranche(['doctor', '--json']).stdout).toContain('was not told of a group');
      client.close();
    });

    test('an agent that is not root has none, and says so', async () => {
      host.openToOthers();
      chownSync(root.path, NOBODY, NOBODY);
      await host.start({ uid: NOBODY, bin: join(root.path, 'bin', 'tranche') });
      const client = await Client.open(root);
      expect(await client.ask('hello', { protocolMin: 1, protocolMax: 1 })).toMatchObject({ scopes: false });
      client.close();
    });
  },
);
