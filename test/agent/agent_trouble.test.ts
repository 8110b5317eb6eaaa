/** What goes wrong around an agent: full disks, senseless limits, hostile names, slices that change hands. */
import { spawnSync, type ChildProcess, type SpawnSyncReturns } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  existsSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { eventSchema } from '../../model/agent-protocol.ts';
import {
  Client,
  DAEMON,
  GIB,
  hasEnded,
  hasShim,
  hasSim,
  isRoot,
  NOBODY,
  slicesOf,
  TestHost,
  trancheBin,
  until,
  workload,
  type Line,
  type Root,
} from './agent_process.ts';

const canMount = isRoot && spawnSync('unshare', ['-m', 'true']).status === 0;

let host: TestHost;
let root: Root;

beforeEach(() => {
  host = new TestHost();
  root = host.root;
});

afterEach(() => host.end());

const tranche = (args: readonly string[]) => host.tranche(args);

/** Writes to a file until there is no room left. */
function fillDisk(file: string): void {
  const fd = openSync(file, 'w');
  try {
    for (const size of [4096, 1]) {
      for (;;) {
        try {
          if (writeSync(fd, Buffer.alloc(size, 1)) < size) break;
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code === 'ENOSPC') break;
          throw error;
        }
      }
    }
  } finally {
    closeSync(fd);
  }
}

describe.skipIf(!hasSim)('limits on the command line', () => {
  const TEXT = /^tranche: [^\n]+\n$/;

  test('those that make sense are taken', async () => {
    await host.start();
    for (const [name, memory, bytes] of [
      ['a', '20g', 20 * GIB],
      ['b', '20 GiB', 20 * GIB],
      ['c', '20480m', 20 * GIB],
      ['d', '1048576', 1024 ** 2],
      ['e', '80GiB', 80 * GIB],
    ] as const) {
      const made = tranche(['slice', 'create', name, '--gpu', '0', '--memory', memory, '--compute', '50%']);
      expect(`${memory}: ${made.stderr}`).toBe(`${memory}: `);
      expect(made.status).toBe(0);
      expect((await slicesOf(root)).find((slice) => slice.name === name)?.memoryLimitBytes).toBe(bytes);
    }
  });

  test('those that do not are refused in one sentence, and nothing is changed', async () => {
    await host.start();
    const client = await Client.open(root);
    expect(await client.create()).toMatchObject({ ok: true });
    const before = await slicesOf(root);
    const cases: [option: string, value: string, what: string][] = [
      ['--memory', '0', 'at least 1 MiB'],
      ['--memory', '1048575', 'at least 1 MiB'],
      ['--memory', '-5g', '--memory: “-5g” is not a size'],
      ['--memory', '-1', '--memory: “-1” is not a size'],
      ['--memory', '81g', 'is more than the GPU has'],
      ['--memory', '9999999t', 'is not a size'],
      ['--memory', '20GB', 'is not a size'],
      ['--memory', 'much', 'is not a size'],
      ['--memory', '', 'is not a size'],
      ['--memory', '20 g g', 'is not a size'],
      ['--memory', '1e3g', 'is not a size'],
      ['--memory', '--compute', 'is not a size'],
      ['--compute', '0', 'from 1 to 100'],
      ['--compute', '-1', '--compute: “-1” is not a share'],
      ['--compute', '101', 'is not a share'],
      ['--compute', '12.5', 'is not a share'],
      ['--compute', 'half', 'is not a share'],
      ['--guarantee', '60', "above the slice's own limit"],
      ['--guarantee', '-1', '--guarantee: “-1” is not a share'],
      ['--expires', 'tomorrow', '--expires: “tomorrow” is not a time'],
      ['--gpu', '7', 'no GPU 7'],
      ['--name', 'a b', "A slice's name is"],
      ['--owner', 'no-such-user', 'There is no user no-such-user'],
    ];
    for (const [option, value, what] of cases) {
      const fields = new Map([
        ['--gpu', '0'],
        ['--memory', '1g'],
        ['--compute', '50'],
      ]).set(option, value);
      const verbs = [['create', ...[...fields].flat()]];
      if (!['--gpu', '--name', '--owner'].includes(option)) verbs.push(['resize', 'one', option, value]);
      for (const verb of verbs) {
        const result = tranche(['slice', ...verb]);
        const shown = `${verb.join(' ')}: ${String(result.status)} ${result.stderr}`;
        expect(shown).toContain(`: 125 tranche: `);
        expect(shown).toContain(what);
        expect(shown).toMatch(/nothing was (changed|created)/);
        expect(result.stderr).toMatch(TEXT);
        expect(result.stdout).toBe('');
      }
    }
    expect(await slicesOf(root)).toEqual(before);
    client.close();
  });
});

describe.skipIf(!hasSim || !canMount)('on a full disk', () => {
  /** An agent that has a tmpfs of its own over a folder of its private root; the folder as we can reach it. */
  async function startOn(folder: string, kib: number): Promise<{ disk: string }> {
    const place = join(root.env['TRANCHE_ROOT'] ?? '', folder);
    mkdirSync(place, { recursive: true });
    const wrapper = join(root.path, 'tranche');
    writeFileSync(
      wrapper,
      `#!/bin/sh\nexec unshare -m sh -c 'mount -t tmpfs -o size=${String(kib)}k,mode=0755 tmpfs "$0" && exec "$@"' '${place}' '${trancheBin}' "$@"\n`,
    );
    chmodSync(wrapper, 0o755);
    const agent = await host.start({ bin: wrapper });
    return { disk: join(`/proc/${String(agent.child.pid)}/root`, place) };
  }

  test('an edit that cannot be kept is refused and not made; with room again it is', async () => {
    const { disk } = await startOn('state', 512);
    const client = await Client.open(root);
    const made = await client.create();
    expect(made).toMatchObject({ ok: true });
    await client.ask('subscribe', { sampleIntervalMs: 100 });
    fillDisk(join(disk, 'filler'));
    const resize = { sliceId: made['sliceId'], memoryLimitBytes: 8 * GIB };
    const refused = await client.ask('slice-resize', resize);
    expect(refused).toMatchObject({ ok: false, code: 'state-not-saved' });
    expect(refused['message']).toMatch(
      /could not be written to .*state.* \(No space left on device\), so it was not made/,
    );
    expect(await client.create({ name: 'two' })).toMatchObject({ code: 'state-not-saved' });
    expect(
      await client.ask('slice-delete', { sliceId: made['sliceId'], revision: made['revision'] }),
    ).toMatchObject({ code: 'state-not-saved' });
    expect(await slicesOf(root)).toMatchObject([
      { name: 'one', memoryLimitBytes: 4 * GIB, revision: made['revision'] },
    ]);
    // The samples go on.
    const seen = client.lines.filter((line) => line['ev'] === 'sample').length;
    await until(
      'more samples',
      () => client.lines.filter((line) => line['ev'] === 'sample').length > seen + 2,
    );
    rmSync(join(disk, 'filler'));
    expect(await client.ask('slice-resize', resize)).toMatchObject({ ok: true });
    expect(await slicesOf(root)).toMatchObject([{ memoryLimitBytes: 8 * GIB }]);
    client.close();
  });

  test('a tenant who fills it with a file of hers, again and again, keeps nobody from a slice', async () => {
    const { disk } = await startOn('run', 4096);
    const client = await Client.open(root);
    const made = await client.create();
    const file = openSync(join(disk, 'usage', String(made['sliceId'])), 'r+');
    const size = fstatSync(file).size;
    /** Until nothing is left. */
    const fill = (): void => {
      const piece = Buffer.alloc(64 * 1024, 1);
      try {
        for (let at = size; ; at += piece.length)
          if (writeSync(file, piece, 0, piece.length, at) === 0) return;
      } catch (error) {
        expect((error as NodeJS.ErrnoException).code).toBe('ENOSPC');
      }
    };
    for (const name of ['two', 'three', 'four', 'five']) {
      fill();
      expect(await client.create({ name, memoryLimitBytes: GIB, computeLimitPercent: 10 })).toMatchObject({
        ok: true,
      });
    }
    // Her own file is what it was again, and everybody hears whose it was.
    await client.ask('subscribe', { sampleIntervalMs: 100 });
    fill();
    const told = await client.event('notice', (line) => line['code'] === 'files-made-again');
    expect(told['message']).toMatch(/^A file of slice one .* had been made longer/);
    expect(fstatSync(file).size).toBe(size);
    closeSync(file);
    client.close();
  });

  test('a slice whose files do not fit is not created', async () => {
    const { disk } = await startOn('run', 256);
    const client = await Client.open(root);
    expect(await client.create()).toMatchObject({ ok: true });
    fillDisk(join(disk, 'filler'));
    const refused = await client.create({ name: 'two' });
    expect(refused).toMatchObject({ ok: false, code: 'state-not-saved' });
    expect(refused['message']).toContain('so it was not created');
    expect(await slicesOf(root)).toMatchObject([{ name: 'one' }]);
    rmSync(join(disk, 'filler'));
    expect(await client.create({ name: 'two' })).toMatchObject({ ok: true });
    client.close();
  });
});

describe.skipIf(!hasSim || !hasShim)('names from the host', () => {
  test('control characters, markup and direction marks of a program arrive as harmless text', async () => {
    await host.start();
    const client = await Client.open(root);
    expect(await client.create()).toMatchObject({ ok: true });
    const markup = '<img src=x onerror=alert(1)>"\\';
    const name = `${markup}\u001b[31m\n\r\t\u0007\u202etxt.exe\u2028 ${'ä'.repeat(300)}`;
    const program = ['-c', 'exec -a "$0" "$@"', name, workload, 'notebook', '--seconds', '60'];
    const child = host.run('one', ['/bin/bash', ...program]);
    await client.ask('subscribe', { sampleIntervalMs: 100 });
    const rowOf = (line: Line): Line | undefined =>
      (line['processes'] as Line[]).find(
        (row) => row['pid'] === child.pid && String(row['command']).startsWith('<img'),
      );
    const sample = await client.event('sample', (line) => rowOf(line) !== undefined);
    expect(eventSchema.safeParse(sample).success).toBe(true);
    const command = String(rowOf(sample)?.['command']);
    // Markup stays what it is: text. Each unsafe character is one replacement character.
    expect(command.startsWith(`${markup}\ufffd[31m\ufffd\ufffd\ufffd\ufffd\ufffdtxt.exe\ufffd ä`)).toBe(true);
    // eslint-disable-next-line no-control-regex -- these are what must not be there
    expect(command).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2028\u2029]/);
    expect(Buffer.byteLength(command)).toBeLessThanOrEqual(256);
    expect(Buffer.byteLength(command)).toBeGreaterThan(253);
    expect(command.endsWith('ä')).toBe(true);
    client.close();
  });
});

describe.skipIf(!hasSim || !hasShim || !isRoot)('a slice that changes hands', () => {
  let copied: (name: string) => string;
  const users = { daemon: DAEMON, nobody: NOBODY } as const;

  const asUser = (user: keyof typeof users, args: readonly string[]): SpawnSyncReturns<string> =>
    host.tranche(args, { bin: copied('tranche'), uid: users[user] });

  function startProgram(user: keyof typeof users): ChildProcess {
    const program = [copied('tranche-sim-workload'), 'greedy', '--memory', String(GIB), '--seconds', '60'];
    return host.run('one', program, { bin: copied('tranche'), uid: users[user] });
  }

  beforeEach(() => {
    copied = host.openToOthers();
  });

  test('the old owner’s program goes on, the new owner can start one, the old one cannot', async () => {
    await host.start({ bin: copied('tranche') });
    for (const file of ['sim.shm', 'sim.conf']) {
      if (existsSync(join(root.path, 'sim', file))) chmodSync(join(root.path, 'sim', file), 0o666);
    }
    const client = await Client.open(root);
    const made = await client.create({ owner: 'daemon' });
    await client.ask('subscribe', { sampleIntervalMs: 100 });
    const old = startProgram('daemon');
    const inSlice = (line: Line, program: ChildProcess): Line | undefined =>
      (line['processes'] as Line[]).find(
        (row) => row['pid'] === program.pid && row['sliceId'] === made['sliceId'],
      );
    const before = await client.event('sample', (line) => inSlice(line, old) !== undefined);
    expect(inSlice(before, old)).toMatchObject({ user: 'daemon' });
    expect(asUser('nobody', ['run', '--slice', 'one', '--', 'true']).status).toBe(125);

    const kept = openSync(join(root.env['TRANCHE_ROOT'] ?? '', 'run/usage', String(made['sliceId'])), 'r+');
    const given = await client.ask('slice-assign', {
      sliceId: made['sliceId'],
      revision: made['revision'],
      owner: 'nobody',
    });
    expect(given).toMatchObject({ ok: true });
    const refused = asUser('daemon', ['run', '--slice', 'one', '--', 'true']);
    expect(refused.status).toBe(125);
    expect(refused.stderr).toContain('slice one belongs to nobody, not to you');
    expect(asUser('nobody', ['run', '--slice', 'one', '--', 'true']).status).toBe(0);
    const heir = startProgram('nobody');
    // Both are in it, side by side, under the one limit.
    const both = await client.event(
      'sample',
      (line) => inSlice(line, old) !== undefined && inSlice(line, heir) !== undefined,
    );
    const slice = (both['slices'] as Line[])[0] ?? {};
    expect(slice).toMatchObject({ processCount: 2 });
    expect(Number(slice['ledgerBytes'])).toBeLessThanOrEqual(4 * GIB);
    expect(hasEnded(old)).toBe(false);

    // What the new owner uses is a new file, and what the old one has open reaches nothing of it.
    const usage = join(root.env['TRANCHE_ROOT'] ?? '', 'run/usage', String(made['sliceId']));
    const canRead = (user: keyof typeof users): boolean =>
      spawnSync('cat', [usage], { uid: users[user], gid: users[user], stdio: 'ignore' }).status === 0;
    expect(canRead('daemon')).toBe(false);
    expect(canRead('nobody')).toBe(true);
    expect(writeSync(kept, Buffer.alloc(4096), 0, 4096, 0)).toBe(4096);
    ftruncateSync(kept, 0);
    closeSync(kept);
    const seen = client.lines.length;
    const whole = await client.event(
      'sample',
      (line) => client.lines.indexOf(line) > seen + 5 && inSlice(line, heir) !== undefined,
    );
    expect((whole['slices'] as Line[])[0]).toMatchObject({ limitHeld: true });
    expect((whole['slices'] as Line[])[0]?.['ledgerBytes']).not.toBeNull();
    old.kill('SIGKILL');
    await client.event(
      'sample',
      (line) =>
        client.lines.indexOf(line) > seen + 5 && (line['slices'] as Line[])[0]?.['processCount'] === 1,
    );
    expect(hasEnded(heir)).toBe(false);
    client.close();
  });
});
