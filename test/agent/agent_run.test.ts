/** Agent, shim and simulated driver together: what a person sees when programs run in slices. */
import { execFile, execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { chownSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  binDir,
  Client,
  DAEMON,
  GIB,
  GPU0,
  hasShim,
  hasSim,
  isRoot,
  NOBODY,
  TestHost,
  trancheBin,
  until,
  workload,
  type Line,
  type Root,
  type RunningAgent,
} from './agent_process.ts';

let host: TestHost;
let root: Root;
let agent: RunningAgent;

beforeEach(() => {
  host = new TestHost();
  root = host.root;
});

afterEach(() => host.end());

/** Its output is ours to read. */
const run = (slice: string, program: string[], as: { uid?: number; bin?: string } = {}): ChildProcess =>
  host.run(slice, program, { stdio: ['ignore', 'pipe', 'pipe'], ...as });

async function openWithSlice(fields: Line = {}): Promise<{ client: Client; made: Line }> {
  const client = await Client.open(root);
  const made = await client.create(fields);
  expect(made).toMatchObject({ ok: true });
  await client.ask('subscribe', { sampleIntervalMs: 100 });
  return { client, made };
}

/** A file's text, "" when it has just gone: a descriptor may be closed after it was listed. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}

/** Is this process's pidfd in an epoll set of the agent's? */
function isWatched(agentPid: number | undefined, pid: number | undefined): boolean {
  const folder = `/proc/${String(agentPid)}/fdinfo`;
  const infos = readdirSync(folder).map((fd) => ({ fd, text: textOf(join(folder, fd)) }));
  const pidfd = infos.find(({ text }) => new RegExp(`^Pid:\\s+${String(pid)}$`, 'm').test(text))?.fd;
  return pidfd !== undefined && infos.some(({ text }) => new RegExp(`^tfd:\\s+${pidfd}\\b`, 'm').test(text));
}

/** sizeof(struct region_entry) of agent/common/region.h. */
const ENTRY_BYTES = 192;
/** Tokens and bytes of the entries in use (offsets of agent/common/region.h). */
function entriesOf(usageFile: string): { token: bigint; memoryBytes: bigint }[] {
  const data = readFileSync(usageFile);
  return Array.from({ length: 256 }, (_, i) => ({
    token: data.readBigUInt64LE(4096 + i * ENTRY_BYTES),
    memoryBytes: data.readBigUInt64LE(4096 + i * ENTRY_BYTES + 8),
  })).filter(({ token }) => token !== 0n);
}

const sliceOf = (line: Line): Line => (line['slices'] as Line[])[0] ?? {};

describe.skipIf(!hasSim || !hasShim)('programs in slices', () => {
  test('a program is shown in its slice, is refused above the limit, and the refusal is told', async () => {
    agent = await host.start();
    const { client } = await openWithSlice();
    const child = run('one', [workload, 'greedy', '--seconds', '20']);
    const notice = await client.event('notice', (line) => line['code'] === 'denied');
    expect(notice['pid']).toBe(child.pid);
    expect(notice['message']).toContain('the limit is 4.0 GiB');
    const sample = await client.event('sample', (line) => Number(sliceOf(line)['deniedAllocations']) > 0);
    expect(sliceOf(sample)).toMatchObject({ processCount: 1, limitHeld: true });
    expect(Number(sliceOf(sample)['ledgerBytes'])).toBeLessThanOrEqual(4 * GIB);
    expect(sample['processes']).toMatchObject([
      { pid: child.pid, gpuUuid: GPU0, sliceId: sliceOf(sample)['id'] },
    ]);
    child.kill('SIGKILL');
    const after = await client.event(
      'sample',
      (line) => Number(line['seq']) > Number(sample['seq']) && sliceOf(line)['processCount'] === 0,
    );
    expect(sliceOf(after)).toMatchObject({ ledgerBytes: 0 });
    client.close();
  });

  test('what a killed program held is given back at once, not with the next sample or second', async () => {
    agent = await host.start();
    const { client, made } = await openWithSlice();
    await client.ask('subscribe', { sampleIntervalMs: 60_000 });
    const usage = join(root.env['TRANCHE_ROOT'] ?? '', 'run/usage', String(made['sliceId']));
    const agentPid = agent.child.pid;
    for (let round = 0; round < 4; round += 1) {
      const child = run('one', [workload, 'notebook', '--memory', String(2 * GIB), '--seconds', '60']);
      await until(
        'the program to hold its memory',
        () => (entriesOf(usage)[0]?.memoryBytes ?? 0n) >= BigInt(2 * GIB),
      );
      // Below use: this waits for the program, and a state line tells when it has gone.
      const edit = await client.ask('slice-resize', { sliceId: made['sliceId'], memoryLimitBytes: GIB });
      expect(edit['ok']).toBe(true);
      const shown = (pending: boolean): boolean => {
        const slice = sliceOf(client.lines.findLast((line) => line['ev'] === 'state') ?? {});
        return (
          slice['revision'] === edit['revision'] && (slice['pendingMemoryLimitBytes'] !== null) === pending
        );
      };
      await until('the waiting shrink', () => shown(true));
      await until('the agent to watch the program', () => isWatched(agentPid, child.pid));
      // The agent's other reason to look is its tick at each full second: far from it, only the death explains it.
      await until('the beginning of a second', () => Date.now() % 1000 > 60 && Date.now() % 1000 < 200);
      const second = Math.floor(Date.now() / 1000);
      child.kill('SIGKILL');
      await until('the memory to be given back', () => entriesOf(usage).length === 0);
      await until('the shrink to take effect', () => shown(false));
      expect(Date.now()).toBeLessThan(second * 1000 + 950);
      const back = await client.ask('slice-resize', { sliceId: made['sliceId'], memoryLimitBytes: 4 * GIB });
      expect(back['ok']).toBe(true);
    }
    expect(client.lines.filter((line) => line['ev'] === 'sample').length).toBeLessThan(30);
    client.close();
  });

  test('programs that die in a row cost one look each 25 ms and leave nothing watched', async () => {
    agent = await host.start();
    const { client, made } = await openWithSlice({ memoryLimitBytes: 16 * GIB });
    const usage = join(root.env['TRANCHE_ROOT'] ?? '', 'run/usage', String(made['sliceId']));
    const agentPid = agent.child.pid;
    const programs = Array.from({ length: 12 }, () =>
      run('one', [workload, 'notebook', '--memory', String(GIB), '--seconds', '60']),
    );
    await until('all to be watched', () => programs.every(({ pid }) => isWatched(agentPid, pid)));
    for (const program of programs) program.kill('SIGKILL');
    await until('their memory to be given back', () => entriesOf(usage).length === 0);
    await until('their descriptors to be closed', () =>
      programs.every(({ pid }) => !isWatched(agentPid, pid)),
    );
    const openNow = readdirSync(`/proc/${String(agentPid)}/fd`).length;
    expect(openNow).toBeLessThan(40);
    client.close();
  });

  test('a resize reaches a program that is running, also after the agent was killed and came back', async () => {
    agent = await host.start();
    let { client, made } = await openWithSlice({ memoryLimitBytes: 2 * GIB });
    run('one', [workload, 'greedy', '--seconds', '30']);
    const small = await client.event('sample', (line) => Number(sliceOf(line)['ledgerBytes']) > GIB);
    expect(Number(sliceOf(small)['ledgerBytes'])).toBeLessThanOrEqual(2 * GIB);
    await agent.stop('SIGKILL');
    agent = await host.start();
    client = await Client.open(root);
    await client.ask('slice-resize', { sliceId: made['sliceId'], memoryLimitBytes: 6 * GIB });
    await client.ask('subscribe', { sampleIntervalMs: 100 });
    await client.event('sample', (line) => Number(sliceOf(line)['ledgerBytes']) > 3 * GIB);
    client.close();
  });

  test('stops a process that is on the GPU', async () => {
    agent = await host.start();
    const { client } = await openWithSlice();
    const child = run('one', [workload, 'heavy', '--seconds', '30']);
    const sample = await client.event('sample', (line) =>
      (line['processes'] as Line[]).some((p) => p['pid'] === child.pid),
    );
    const row = (sample['processes'] as Line[]).find((p) => p['pid'] === child.pid);
    const wrong = await client.ask('process-stop', { pid: child.pid, startTicks: '1', signal: 'TERM' });
    expect(wrong['code']).toBe('unknown-process');
    const stopped = await client.ask('process-stop', {
      pid: child.pid,
      startTicks: row?.['startTicks'],
      signal: 'KILL',
    });
    expect(stopped['ok']).toBe(true);
    await until('the process to end', () => child.signalCode === 'SIGKILL');
    client.close();
  });

  test('one that opens later can be opened now, and the other way round', async () => {
    agent = await host.start();
    const later = Date.now() + 3_600_000;
    const { client, made } = await openWithSlice({ startsAtMs: later });
    const shown = async (): Promise<unknown> => {
      const state = await client.event('state', (line) => client.lines.lastIndexOf(line) >= seen);
      return (state['slices'] as Line[])[0]?.['startsAtMs'];
    };
    let seen = 0;
    await client.ask('subscribe', { sampleIntervalMs: 100 });
    expect(await shown()).toBe(later);
    for (const startsAtMs of [null, later + 1000]) {
      seen = client.lines.length;
      expect(await client.ask('slice-resize', { sliceId: made['sliceId'], startsAtMs })).toMatchObject({
        ok: true,
      });
      expect(await shown()).toBe(startsAtMs);
    }
    client.close();
  });

  test('a slice outside its time is refused by run', async () => {
    agent = await host.start();
    const { client, made } = await openWithSlice({ expiresAtMs: 1000 });
    const late = host.tranche(['run', '--slice', 'one', '--', 'true']);
    expect(late.status).toBe(125);
    expect(late.stderr).toContain('has expired');
    expect((await client.ask('slice-resize', { sliceId: made['sliceId'], expiresAtMs: null }))['ok']).toBe(
      true,
    );
    expect(host.tranche(['run', '--slice', 'one', '--', 'true']).status).toBe(0);
    client.close();
  });

  test('run exits as env does and keeps what was preloaded', async () => {
    agent = await host.start();
    const { client } = await openWithSlice();
    // In a PATH of the test's own: what is found, and what may not be run, in the caller's is not ours to know.
    const status = (args: string[], path = '/usr/bin:/bin'): number | null =>
      host.tranche(['run', '--slice', 'one', '--', ...args], { env: { ...root.env, PATH: path } }).status;
    expect(status(['sh', '-c', 'exit 7'])).toBe(7);
    expect(status(['no-such-program'])).toBe(127);
    expect(status(['/etc/passwd'])).toBe(126);
    const folder = join(root.path, 'in-path');
    mkdirSync(folder);
    writeFileSync(join(folder, 'no-such-program'), 'may not be run', { mode: 0o644 });
    const paths = [`${folder}:/usr/bin:/bin`, `/usr/bin:/bin:${folder}`];
    for (const path of paths) {
      const asEnv = spawnSync('/usr/bin/env', ['no-such-program'], { env: { PATH: path } }).status;
      expect(asEnv).toBe(126);
      expect(status(['no-such-program'], path)).toBe(asEnv);
    }
    const shown = host.tranche(['run', '--slice', 'one', '--', 'env'], {
      env: { ...root.env, LD_PRELOAD: '/nowhere/other.so' },
    }).stdout;
    expect(shown).toContain(`LD_PRELOAD=${binDir}/libtranche.so:/nowhere/other.so\n`);
    expect(shown).toContain(`CUDA_VISIBLE_DEVICES=${GPU0}\n`);
    client.close();
  });

  test('--visible index gives programs a number', async () => {
    agent = await host.start();
    const { client } = await openWithSlice();
    const shown = host.tranche(['run', '--slice', 'one', '--visible', 'index', '--', 'env']).stdout;
    expect(shown).toContain('CUDA_VISIBLE_DEVICES=0\n');
    expect(shown).toContain('CUDA_DEVICE_ORDER=PCI_BUS_ID\n');
    const wrong = host.tranche(['run', '--slice', 'one', '--visible', 'number', '--', 'env']);
    expect(wrong.status).toBe(125);
    expect(wrong.stderr).toContain('index or uuid');
    client.close();
  });

  test('a program under AddressSanitizer starts, whatever options it has, and its user decides', async () => {
    agent = await host.start();
    const { client } = await openWithSlice();
    const program = join(root.path, 'checked');
    writeFileSync(`${program}.c`, 'int main(void) { return 0; }\n');
    execFileSync('gcc', ['-fsanitize=address', '-o', program, `${program}.c`]);
    const status = (options?: string): number | null => {
      const env = { ...root.env, ...(options === undefined ? {} : { ASAN_OPTIONS: options }) };
      return host.tranche(['run', '--slice', 'one', '--', program], { env }).status;
    };
    expect(status()).toBe(0);
    expect(status('detect_leaks=0')).toBe(0);
    expect(status('verify_asan_link_order=1')).not.toBe(0);
    client.close();
  });

  test('without an agent that can start, run uses the limits recorded last', async () => {
    agent = await host.start();
    const { client } = await openWithSlice();
    client.close();
    await agent.stop();
    // The lock file is a directory now: no agent can start.
    const lock = join(root.env['TRANCHE_ROOT'] ?? '', 'state/agent.lock');
    rmSync(lock);
    mkdirSync(lock);
    const result = host.tranche(['run', '--slice', 'one', '--', 'env']);
    expect(result.stderr).toContain('The limits recorded last are used');
    expect(result.status).toBe(0);
    expect(result.stdout).toContain('TRANCHE_SLICES=s-');
    const other = host.tranche(['run', '--slice', 'two', '--', 'env']);
    expect(other.status).toBe(125);
  });

  test('doctor tells whether the shim is in a process', async () => {
    agent = await host.start();
    const { client } = await openWithSlice();
    const inside = run('one', [workload, 'heavy', '--seconds', '30']);
    const outside = spawn(workload, ['heavy', '--seconds', '30'], { env: root.env, stdio: 'ignore' });
    host.keep(outside);
    await client.event('sample', (line) => (line['processes'] as Line[]).length === 2);
    const codes = (pid: number | undefined): string[] =>
      (JSON.parse(host.tranche(['doctor', '--json', '--pid', String(pid)]).stdout) as { code: string }[]).map(
        (finding) => finding.code,
      );
    expect(codes(inside.pid)).toContain('process-shim');
    expect(codes(outside.pid)).toContain('process-no-slice');
    client.close();
  });

  describe.skipIf(!isRoot)('with two users', () => {
    let copied: (name: string) => string;
    const bin = (): string => copied('tranche');
    const asNobody = (args: string[]) => host.tranche(args, { bin: bin(), uid: NOBODY });

    beforeEach(() => {
      copied = host.openToOthers();
    });

    test('the other user sees all, changes nothing, and uses a slice that was handed over', async () => {
      agent = await host.start({ bin: bin() });
      const { client, made } = await openWithSlice();
      execFileSync('chmod', ['-R', 'a+rw', join(root.path, 'sim')]);
      const edit = asNobody(['slice', 'resize', 'one', '--memory', '1g']);
      expect(edit.status).toBe(125);
      expect(edit.stderr).toContain('Nothing was changed');
      expect(asNobody(['ls']).stdout).toContain('one');
      const refused = asNobody(['run', '--slice', 'one', '--', 'true']);
      expect(refused.status).toBe(125);
      expect(refused.stderr).toContain('belongs to root');
      const given = await client.ask('slice-assign', {
        sliceId: made['sliceId'],
        revision: made['revision'],
        owner: 'nobody',
      });
      expect(given).toMatchObject({ ok: true });
      const child = run('one', [copied('tranche-sim-workload'), 'greedy', '--seconds', '20'], {
        uid: NOBODY,
        bin: bin(),
      });
      const notice = await client.event('notice', (line) => line['code'] === 'denied');
      expect(notice['pid']).toBe(child.pid);
      client.close();
    });

    test('an agent of an ordinary user grants access by an access list', async () => {
      mkdirSync(root.env['TRANCHE_ROOT'] ?? '');
      chownSync(root.env['TRANCHE_ROOT'] ?? '', NOBODY, NOBODY);
      agent = await host.start({ bin: bin(), uid: NOBODY });
      execFileSync('chmod', ['-R', 'a+rw', join(root.path, 'sim')]);
      const { client } = await openWithSlice({ owner: 'daemon' });
      const program = [copied('tranche-sim-workload'), 'greedy', '--seconds', '20'];
      const child = host.run('one', program, { bin: bin(), uid: DAEMON });
      const notice = await client.event('notice', (line) => line['code'] === 'denied');
      expect(notice['pid']).toBe(child.pid);
      const usage = join(root.env['TRANCHE_ROOT'] ?? '', 'run/usage');
      const sample = await client.event('sample', (line) => sliceOf(line)['processCount'] === 1);
      const file = join(usage, String(sliceOf(sample)['id']));
      expect(spawnSync('cat', [file], { uid: 2, gid: 2 }).status).not.toBe(0);
      expect(spawnSync('cat', [file], { uid: DAEMON, gid: DAEMON }).status).toBe(0);
      client.close();
    });
  });

  test('many programs that start at once find one agent', async () => {
    const results = await Promise.all(
      Array.from(
        { length: 8 },
        () =>
          new Promise<string>((resolve) => {
            execFile(trancheBin, ['ls', '--json'], { env: root.env, timeout: 20_000 }, (error, stdout) => {
              resolve(error ? error.message : stdout);
            });
          }),
      ),
    );
    for (const result of results) expect(result).toContain('"ev":"sample"');
    const client = await Client.open(root);
    await client.ask('shutdown');
    client.close();
  });
});
