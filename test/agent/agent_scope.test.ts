/**
 * Whose agent manages a host, and what the command line believes of one. Hosts are real ones here, with the real places, in
 * namespaces of their own: addresses, /run, /etc and /tmp are nobody else's.
 */
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { binDir, hasShim, hasSim, isRoot, simDir, TestHost, until } from './agent_process.ts';

const SPACES = ['--net', '--mount', '--pid', '--fork', '--mount-proc', '--kill-child'];
const canNamespace = isRoot && spawnSync('unshare', [...SPACES, 'true']).status === 0;
const HOST_MS = 60_000;

/** `daemon` and `nobody` are two users of every Debian; `as USER COMMAND` is one of them at a shell. */
const PRELUDE = `
set -u
mount --make-rprivate / || exit 99
cp -a /etc "$D/etc" 2>/dev/null; rm -rf "$D/etc/tranche"; mount --bind "$D/etc" /etc || exit 99
for place in /run /var/lib; do mount -t tmpfs -o mode=755 tmpfs $place || exit 99; done
for place in /dev/shm /var/tmp; do mount -t tmpfs -o mode=1777 tmpfs $place || exit 99; done
export TRANCHE_DRIVER_DIR="$D/bin" TRANCHE_SIM_DIR=/run/sim LD_LIBRARY_PATH="$D/bin" T="$D/bin/tranche"
unset TRANCHE_ROOT XDG_RUNTIME_DIR XDG_STATE_HOME
mkdir -m 777 /run/sim
for user in daemon nobody; do mkdir -p "/run/home/$user"; chown $user "/run/home/$user"; done
as() { user=$1; shift; HOME=/run/home/$user setpriv --reuid=$user --regid=$(id -g $user) --clear-groups "$@"; }
ended() { for i in $(seq 400); do kill -0 $1 2>/dev/null || return 0; sleep 0.05; done; echo "process $1 did not end"; return 1; }
agent_of() { for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline 2>/dev/null | grep -q '^[^ ]*tranche agent' && [ "$(stat -c %U $p)" = $1 ] && basename $p; done; }
say() { echo "== $1"; }
`;

let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tranche-scope-'));
  chmodSync(folder, 0o755);
  mkdirSync(join(folder, 'bin'));
  for (const file of ['tranche', 'libtranche.so'])
    copyFileSync(join(binDir, file), join(folder, 'bin', file));
  for (const file of ['libcuda.so.1', 'libnvidia-ml.so.1'])
    copyFileSync(join(simDir, file), join(folder, 'bin', file));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** What each step of the script said, stdout and stderr together. */
function onHost(script: string): Map<string, string> {
  const run = spawnSync('unshare', [...SPACES, 'sh', '-c', `${PRELUDE}${script}`], {
    env: { PATH: process.env['PATH'], D: folder, NODE: process.execPath },
    encoding: 'utf8',
    timeout: HOST_MS,
  });
  const steps = new Map<string, string>();
  for (const part of run.stdout.split('== ').slice(1)) {
    const [name = '', ...rest] = part.split('\n');
    steps.set(name, rest.join('\n'));
  }
  if (run.status !== 0)
    throw new Error(`the script ended with ${String(run.status)}: ${run.stdout}${run.stderr}`);
  return steps;
}

describe.skipIf(!hasSim || !hasShim || !canNamespace)(
  'a host that root has chosen',
  { timeout: HOST_MS },
  () => {
    test('is nobody else’s after a reboot either, and it is said what to do', () => {
      const steps = onHost(`
      $T agent || exit 1
      $T slice create --gpu 0 --memory 2g --compute 50% --owner daemon --name one || exit 1
      p=$(agent_of root); kill -9 $p; ended $p; rm -rf /run/tranche
      say user;   as nobody $T ls 2>&1; echo "rc $?"; agent_of nobody
      say agent;  as nobody timeout 20 $T agent --foreground 2>&1; echo "rc $?"
      say attach; as nobody $T attach x < /dev/null 2>/dev/null
      say doctor; as nobody $T doctor 2>&1
      say root;   $T ls 2>&1
      say again;  as nobody $T ls 2>&1
      p=$(agent_of root); kill $p; ended $p; exit 0`);
      for (const step of ['user', 'agent', 'attach', 'doctor'])
        expect(`${step}: ${steps.get(step) ?? ''}`).toMatch(/Root's agent manages the GPUs of this host/);
      expect(steps.get('user')).toMatch(/systemctl start tranche, or as root: tranche agent/);
      expect(steps.get('user')).toMatch(/rc 125\n$/);
      expect(steps.get('agent')).toMatch(/rc 1\n$/);
      expect(steps.get('root')).toContain('one');
      expect(steps.get('again')).toContain('one');
    });

    test('has a file system of its own for what tenants write', () => {
      const steps = onHost(`
      $T agent || exit 1
      say mounts; grep ' /run/tranche ' /proc/mounts
      say doctor; $T doctor
      $T slice create --gpu 0 --memory 1g --compute 10% --owner daemon --name one > /dev/null || exit 1
      p=$(agent_of root); kill $p; ended $p
      $T agent || exit 1
      say again; grep -c ' /run/tranche ' /proc/mounts; $T ls
      p=$(agent_of root); kill $p; ended $p; umount /run/tranche
      mkdir -p /run/tranche/policy; touch /run/tranche/policy/s-0123456789abcdef
      $T agent || exit 1
      say shared; $T doctor
      p=$(agent_of root); kill $p; ended $p; exit 0`);
      const mounts = steps.get('mounts') ?? '';
      for (const option of ['tmpfs', 'nosuid', 'nodev', 'noexec', 'size=98304k'])
        expect(mounts).toContain(option);
      expect(steps.get('doctor')).not.toContain('is not a file system of its own');
      expect(steps.get('again')).toMatch(/^1\n/);
      expect(steps.get('again')).toContain('one');
      // Files that programs may have open are not hidden.
      expect(steps.get('shared')).toContain('is not a file system of its own');
    });

    test('takes the place of a user’s agent that runs', () => {
      const steps = onHost(`
      as nobody $T ls > /dev/null || exit 1
      p=$(agent_of nobody); [ -n "$p" ] || exit 1
      $T agent || exit 1
      say left; ended $p && echo yes
      p=$(agent_of root); kill $p; ended $p; exit 0`);
      expect(steps.get('left')).toBe('yes\n');
    });
  },
);

describe.skipIf(!hasSim || !hasShim || !canNamespace)(
  'an agent of somebody else',
  { timeout: HOST_MS },
  () => {
    test('is named to its users, and not used by root unawares', () => {
      const steps = onHost(`
      as nobody $T ls > "$D/own" 2>&1 || exit 1
      say own;   cat "$D/own"
      say other; as daemon $T ls 2>&1 >/dev/null; as daemon $T hours 2>&1 >/dev/null
      say root;  $T ls 2>&1; echo "rc $?"; $T slice create --gpu 0 --memory 1g --compute 10% 2>&1
      say asked; $T --agent-of nobody ls 2>&1 && $T ls --agent-of=nobody 2>&1
      say wrong; $T --agent-of daemon ls 2>&1
      say words; $T run --agent-of nobody --slice none -- echo --agent-of daemon 2>&1
      p=$(agent_of nobody); kill $p; ended $p; exit 0`);
      expect(steps.get('own')).not.toContain('managed by');
      expect(steps.get('other')).toMatch(
        /^(tranche: the GPUs of this host are managed by nobody \(uid 65534\)\n){2}$/,
      );
      expect(steps.get('root')).toMatch(
        /managed by an agent of nobody \(uid 65534\)\. Root does not use it unawares/,
      );
      expect(steps.get('root')).toContain('rc 125');
      expect(steps.get('root')).not.toContain('undo within');
      expect(steps.get('asked')?.match(/GPU 0/g)).toHaveLength(2);
      expect(steps.get('wrong')).toContain('that of nobody (uid 65534), not of daemon (uid 1)');
      expect(steps.get('words')).toContain('there is no slice “none”');
    });

    test('that never answers is named by what the kernel knows of it', () => {
      writeFileSync(
        join(folder, 'squat.c'),
        `#include <string.h>
       #include <sys/socket.h>
       #include <sys/un.h>
       #include <unistd.h>
       int main(void) {
         struct sockaddr_un a = {.sun_family = AF_UNIX};
         memcpy(a.sun_path, "\\0tranche-agent", 14);
         int fd = socket(AF_UNIX, SOCK_STREAM, 0);
         if (bind(fd, (struct sockaddr *)&a, 2 + 14) != 0 || listen(fd, 64) != 0) return 1;
         write(1, "ready\\n", 6);
         return pause();
       }`,
      );
      expect(spawnSync('gcc', ['-o', join(folder, 'squat'), join(folder, 'squat.c')]).status).toBe(0);
      const steps = onHost(`
      mkfifo "$D/ready"; chmod 666 "$D/ready"
      as nobody "$D/squat" > "$D/ready" & read word < "$D/ready"
      p=$(for p in /proc/[0-9]*; do [ "$(cat $p/comm)" = squat ] && basename $p; done)
      say pid;   echo $p
      say user;  as daemon timeout 40 $T ls 2>&1; echo "rc $?"
      say agent; as daemon timeout 40 $T agent --foreground 2>&1; echo "rc $?"
      kill $p; exit 0`);
      const pid = steps.get('pid')?.trim() ?? '';
      expect(steps.get('user')).toContain(
        `did not answer within 10 s: @tranche-agent is held by nobody (uid 65534), process ${pid}, squat`,
      );
      expect(steps.get('user')).toContain('rc 125');
      expect(steps.get('agent')).toContain(
        `is held by nobody (uid 65534, process ${pid}), which does not answer`,
      );
      expect(steps.get('agent')).toContain('rc 1');
    });

    test('in a user namespace it is said why root’s is not used', () => {
      const steps = onHost(`
      $T agent || exit 1
      say inside; as nobody unshare --user --map-root-user $T ls 2>&1; echo "rc $?"
      p=$(agent_of root); kill $p; ended $p; exit 0`);
      expect(steps.get('inside')).toMatch(
        /You are in a user namespace \(a rootless container\), where root's agent/,
      );
      expect(steps.get('inside')).toContain('rc 125');
    });
  },
);

// eslint-disable-next-line no-control-regex -- these are what must not be there
const UNSAFE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;

describe('what an agent says', () => {
  const HOSTILE = '\u001b]0;owned\u0007\u001b[31mred\u202eltr\u009b1mx\u007f';
  let host: TestHost;

  beforeEach(() => {
    host = new TestHost({ sim: false });
  });

  afterEach(() => host.end());

  /** Answers everything with lines full of escapes, raw and escaped. */
  const FAKE = `
    const net = require('node:net'), fs = require('node:fs');
    const evil = ${JSON.stringify(HOSTILE)}, raw = (o) => process.argv[1] !== 'raw' ? JSON.stringify(o) : JSON.stringify(o).replace(/\\\\u001b/g, '\\u001b').replace(/\\\\u0007/g, '\\u0007');
    const state = { ev: 'state', revision: 1, gpus: [{ uuid: 'GPU-1' + evil, index: 0, name: evil, capacityBytes: 1e9 }],
      slices: [{ id: 's-1', name: 'one' + evil, gpuUuid: 'GPU-1' + evil, owner: evil, ownerUid: 0, memoryLimitBytes: 1e9, computeLimitPercent: 5, revision: 1 },
        { id: 's-2', name: 'two', gpuUuid: 'GPU-1' + evil, owner: evil, ownerUid: 0, memoryLimitBytes: 1e9, computeLimitPercent: 5, revision: 1 }],
      people: [{ name: evil, uid: 1, quota: evil }], quotas: [{ subject: evil, memoryBytesMax: 5, slicesMax: null }] };
    const sample = { ev: 'sample', seq: 1, gpus: [{ uuid: 'GPU-1' + evil, memoryUsedBytes: 1 }], slices: [{ id: 's-1', memoryUsedBytes: 1 }],
      processes: [{ pid: 1, user: evil, command: evil, gpuUuid: 'GPU-1' + evil, sliceId: null, memoryUsedBytes: 1 }] };
    const jobs = { ev: 'jobs', jobs: [{ id: evil, name: evil, sliceId: 's-1', user: evil, state: evil, waits: { code: evil } }] };
    fs.mkdirSync(process.env.TRANCHE_ROOT, { recursive: true });
    net.createServer((socket) => {
      let rest = '';
      const put = (o) => socket.write(raw(o) + '\\n');
      socket.on('error', () => undefined).on('data', (data) => {
        const lines = (rest + data).split('\\n'); rest = lines.pop();
        for (const line of lines) {
          const { id, op } = JSON.parse(line);
          if (id === undefined) continue;
          if (process.argv[1] === 'refuse' && op !== 'hello' && op !== 'subscribe') { put({ id, ok: false, code: evil, message: evil }); continue; }
          const lists = { doctor: { findings: [{ code: evil, level: evil, message: evil }] }, hours: { people: [{ name: evil, usedMs: 1, heldMs: 1 }] },
            audit: { nextBeforeSeq: null, records: [{ seq: 1, atMs: 1, action: evil, user: evil, sliceName: evil, before: null, after: { name: evil } }] } };
          put({ id, ok: true, ...(lists[op] ?? { runtimeDir: '/tmp' + evil, managerName: evil, gpuNote: evil, operator: true, sliceId: 's-1' + evil, undoToken: evil }) });
          if (op === 'subscribe') { put(state); put(sample); put(jobs); }
        }
      });
    }).listen(process.env.TRANCHE_ROOT + '/agent.sock', () => console.log('ready'));`;

  test.each(['allow', 'refuse', 'raw'])('reaches the terminal as text alone (%s)', async (mode) => {
    const fake = host.keep(
      spawn(process.execPath, ['-e', FAKE, mode], {
        env: host.root.env,
        stdio: ['ignore', 'pipe', 'inherit'],
      }),
    );
    let said = '';
    fake.stdout.on('data', (data: Buffer) => (said += data.toString()));
    await until('the fake agent', () => said.includes('ready'));
    const commands = [
      'ls',
      'ls --json',
      'doctor',
      'doctor --json',
      'audit',
      'audit --json',
      'audit --csv',
      'hours',
      'quota',
      'quota x --memory 1g',
      'metrics',
      'job ls',
      'job ls --json',
      'job cancel j-0000000000000000',
      'slice create --gpu 0 --memory 1g --compute 5',
      'slice rename two x',
      'slice rename two x --json',
      'slice undo x',
      'concurrent on --gpu 0',
      'env --slice two',
      'run --slice two -- true',
    ];
    let printed = 0;
    for (const command of commands) {
      const run = host.tranche(command.split(' '));
      const all = `${run.stdout}${run.stderr}`.replaceAll('\r\n', '\n'); // as CSV ends its lines
      expect(`${command}: ${all}`).not.toMatch(UNSAFE);
      printed += all.includes('\ufffd') ? 1 : 0;
    }
    // Control characters that are not even escaped make a line unreadable, which is said instead.
    expect(printed).toBeGreaterThan(mode === 'raw' ? 0 : 10);
  });
});
