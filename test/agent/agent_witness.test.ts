/** What a tenant writes about herself, and what the others are shown: two witnesses for whatever is told or acted upon. */
import { spawn } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync, statSync, truncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  Client,
  DAEMON,
  GIB,
  hasEnded,
  hasShim,
  hasSim,
  isRoot,
  NOBODY,
  TestHost,
  until,
  type Line,
} from './agent_process.ts';

/** As in agent/common/region.h. */
const ENTRIES_AT = 4096;
const ENTRY_BYTES = 192;
const BUCKET_LEVEL_AT = 24;
const CHARGED_AT = 48;
const PID_NAMESPACE_AT = 128;
const ENTRIES_HIGH_AT = 16;

let host: TestHost;

beforeEach(() => {
  host = new TestHost();
});

afterEach(() => host.end());

const startTicks = (pid: number): string => {
  const stat = readFileSync(`/proc/${String(pid)}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
};
const usageOf = (made: Line): string =>
  join(host.root.env['TRANCHE_ROOT'] ?? '', 'run/usage', String(made['sliceId']));
const rowsOf = (line: Line): Line[] => line['processes'] as Line[];
const sliceOf = (line: Line, made: Line): Line =>
  (line['slices'] as Line[]).find(({ id }) => id === made['sliceId']) ?? {};

describe.skipIf(!hasSim || !hasShim || !isRoot)('a tenant who writes into her own usage file', () => {
  test('puts nobody else into her slice, hides nobody, and has nobody stopped', async () => {
    const copied = host.openToOthers();
    await host.start({ bin: copied('tranche') });
    const client = await Client.open(host.root);
    const made = await client.create({ owner: 'nobody' });
    const sleeper = host.keep(spawn('sleep', ['600'], { uid: DAEMON, gid: DAEMON, stdio: 'ignore' }));
    // On the GPU, in no slice.
    const outside = host.keep(
      spawn(copied('tranche-sim-workload'), ['greedy', '--memory', String(3 * GIB), '--seconds', '600'], {
        env: host.root.env,
        uid: DAEMON,
        gid: DAEMON,
        stdio: 'ignore',
      }),
    );
    await client.ask('subscribe', { sampleIntervalMs: 100 });
    const unmanaged = (line: Line): number => Number((line['gpus'] as Line[])[0]?.['unmanagedBytes'] ?? 0);
    await client.event('sample', (line) => unmanaged(line) >= 3 * GIB);

    const file = openSync(usageOf(made), 'r+');
    const own = host.keep(spawn('sleep', ['600'], { uid: NOBODY, gid: NOBODY, stdio: 'ignore' }));
    const victims = [sleeper.pid ?? 0, outside.pid ?? 0, 1, own.pid ?? 0];
    victims.forEach((pid, at) => {
      const entry = Buffer.alloc(ENTRY_BYTES);
      const token = ((BigInt(startTicks(pid)) & 0x7fffffffn) << 32n) | BigInt(pid);
      entry.writeBigUInt64LE(token, 0);
      entry.writeBigUInt64LE(BigInt(77 * GIB), 8);
      entry.writeBigUInt64LE(BigInt(statSync('/proc/self/ns/pid').ino), PID_NAMESPACE_AT);
      writeSync(file, entry, 0, ENTRY_BYTES, ENTRIES_AT + at * ENTRY_BYTES);
    });
    const high = Buffer.alloc(4);
    high.writeUInt32LE(victims.length);
    writeSync(file, high, 0, 4, ENTRIES_HIGH_AT);
    closeSync(file);
    const seen = client.lines.length;
    const sample = await client.event('sample', (line) => client.lines.indexOf(line) > seen + 12);
    const inside = rowsOf(sample).filter((row) => row['sliceId'] !== null);
    expect(inside.map((row) => row['pid'])).toEqual([own.pid]);
    expect(rowsOf(sample).map((row) => row['pid'])).toContain(outside.pid);
    expect(sliceOf(sample, made)).toMatchObject({ processCount: 1 });
    // What she claims for a process of her own is no more than a claim: to others, and in her own slice.
    const shown = sliceOf(sample, made);
    for (const figure of ['ledgerBytes', 'memoryUsedBytes'])
      expect(Number(shown[figure])).toBeLessThanOrEqual(4 * GIB);
    expect(unmanaged(sample)).toBeGreaterThanOrEqual(3 * GIB);
    const stop = (pid: number): Promise<Line> =>
      client.ask('process-stop', { pid, startTicks: startTicks(pid), signal: 'TERM' });
    for (const pid of [sleeper.pid ?? 0, 1])
      expect(await stop(pid)).toMatchObject({ code: 'unknown-process' });
    expect(hasEnded(sleeper)).toBe(false);
    own.kill('SIGKILL');
    await client.event(
      'sample',
      (line) => client.lines.indexOf(line) > seen + 12 && sliceOf(line, made)['processCount'] === 0,
    );
    // What the driver has on a GPU an operator may stop, and the slice can be deleted: nobody is in it.
    expect(await stop(outside.pid ?? 0)).toMatchObject({ ok: true });
    const gone = { sliceId: made['sliceId'], revision: made['revision'] };
    expect(await client.ask('slice-delete', gone)).toMatchObject({ ok: true });
    client.close();
  });
});

describe.skipIf(!hasSim || !hasShim || !isRoot)('a tenant who makes her files longer', () => {
  test('takes nobody’s room for long, and is named', async () => {
    const copied = host.openToOthers();
    await host.start({ bin: copied('tranche') });
    const client = await Client.open(host.root);
    const made = await client.create({ owner: 'nobody' });
    await client.ask('subscribe', { sampleIntervalMs: 1000 });
    const run = join(host.root.env['TRANCHE_ROOT'] ?? '', 'run');
    const board = join(run, 'board', readdirSync(join(run, 'board'))[0] ?? '');
    for (const path of [usageOf(made), join(board, readdirSync(board)[0] ?? '')]) {
      const before = statSync(path);
      const told = client.lines.length;
      truncateSync(path, 64 * 1024 ** 2);
      await until('the file to be cut back', () => statSync(path).size === before.size);
      expect(statSync(path).ino).toBe(before.ino); // whoever has it open goes on
      const notice = await client.event('notice', (line) => client.lines.indexOf(line) >= told);
      expect(notice['message']).toMatch(/^A file of slice one \(nobody's\) in .*run had been made longer/);
    }
    client.close();
  });
});

describe.skipIf(!hasSim || !hasShim || !isRoot)('a tenant who lets herself have the whole GPU', () => {
  test('is seen at it, and it is said', async () => {
    const copied = host.openToOthers();
    await host.start({ bin: copied('tranche') });
    const client = await Client.open(host.root);
    const made = await client.create({ owner: 'nobody', computeLimitPercent: 10 });
    await client.ask('subscribe', { sampleIntervalMs: 200 });
    const program = host.run('one', [copied('tranche-sim-workload'), 'heavy', '--seconds', '120'], {
      bin: copied('tranche'),
      uid: NOBODY,
    });
    await client.event('sample', (line) => sliceOf(line, made)['processCount'] === 1);
    const file = openSync(usageOf(made), 'r+');
    const level = Buffer.alloc(8);
    level.writeBigInt64LE(1n << 50n);
    const nothing = Buffer.alloc(16);
    const cheat = setInterval(() => {
      writeSync(file, level, 0, 8, BUCKET_LEVEL_AT);
      writeSync(file, nothing, 0, 16, ENTRIES_AT + CHARGED_AT);
    }, 1);
    try {
      const notice = await until(
        'the notice',
        () =>
          client.lines.find(
            (line) => line['ev'] === 'notice' && String(line['message']).includes('by the driver'),
          ),
        60_000,
      );
      expect(notice).toMatchObject({ code: 'limit-not-held', sliceId: made['sliceId'] });
      expect(notice['message']).toMatch(
        /^one uses \d+ % of the GPU by the driver's account, and may use 10 %/,
      );
      const seen = client.lines.length;
      const sample = await client.event('sample', (line) => client.lines.indexOf(line) > seen + 2);
      expect(sliceOf(sample, made)).toMatchObject({ limitHeld: false });
      expect(Number(sliceOf(sample, made)['computeUsedTenths'])).toBeGreaterThan(250);
      expect(hasEnded(program)).toBe(false);
    } finally {
      clearInterval(cheat);
      closeSync(file);
    }
    client.close();
  }, 120_000);
});
