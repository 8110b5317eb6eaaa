/**
 * How slices come to use the gate: the agent proves it with the host’s driver, each slice says which of its programs go
 * behind it, and `run`, jobs and terminals do so without being told. Real agent, filter and supervisor; the simulated
 * driver makes the real one’s requests of stand-ins for its devices.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  jobsEventSchema,
  terminalOpenReplySchema,
  terminalOutputEventSchema,
} from '../../model/agent-protocol.ts';
import {
  AttachedProcess,
  Client,
  endAllIn,
  GIB,
  GPU1,
  hasShim,
  hasSim,
  simDir,
  TestHost,
  trancheBin,
  until,
  workload,
  type Root,
} from './agent_process.ts';
import { sampleWith, stateWith, type State } from './events.ts';
import { addStandIns, isGatePossible } from './gate_host.ts';

/** Says `1` where a filter is on, `0` where not. */
const SAYS = ['sh', '-c', `grep -c '^Seccomp:.*2$' /proc/self/status; true`];

const HELD_BYTES = 256 * 2 ** 20;
const TAKES = [workload, 'notebook', '--memory', String(HELD_BYTES), '--seconds', '60'];

/** For what is asked again until it holds. */
const WAITED = { timeout: 15_000, interval: 20 };

let host: TestHost;
let root: Root;

beforeEach(() => {
  host = new TestHost();
  root = host.root;
  addStandIns(root);
});

afterEach(() => host.end(() => endAllIn(root)));

const isProved = (state: State): boolean => state.backends?.[0]?.gate === 'proved';
const ranIn = (slice: string, ...options: readonly string[]): string =>
  host.tranche(['run', ...options, '--slice', slice, '--', ...SAYS]).stdout.trim();

/** An agent that has proved the gate, with the slice `one`. */
async function open(fields: Record<string, unknown> = {}): Promise<Client> {
  await host.start();
  const client = await Client.open(root);
  expect(await client.create({ memoryLimitBytes: GIB, ...fields })).toMatchObject({ ok: true });
  await client.ask('subscribe', { sampleIntervalMs: 100 });
  await stateWith(client, 'the gate to be proved', isProved);
  return client;
}

describe.skipIf(!hasSim || !hasShim || !isGatePossible)('a slice whose gate was proved', () => {
  test('holds what is run in it, and says of each process and of the slice that it does', async () => {
    const client = await open();
    const state = await stateWith(client, 'a slice', ({ slices }) => slices.length === 1);
    expect(state.slices[0]).toMatchObject({ gate: 'programs', enforcement: 'gate' });
    host.run('one', TAKES);
    const held = await sampleWith(client, ({ slices }) => (slices[0]?.memoryUsedBytes ?? 0) > HELD_BYTES);
    expect(held.slices[0]).toMatchObject({ ungatedCount: 0, processCount: 1 });
    expect(held.processes.find(({ sliceId }) => sliceId !== null)?.gated).toBe(true);
    host.tranche(['slice', 'resize', 'one', '--memory', '2g']);
    host.run('one', TAKES, { options: ['--no-gate'] });
    const both = await sampleWith(client, ({ slices }) => slices[0]?.ungatedCount === 1);
    expect(both.processes.map(({ gated }) => gated).toSorted()).toEqual([false, true]);
    client.close();
  });

  test('is set to off, to programs or to shells, and only then', async () => {
    const client = await open();
    expect(ranIn('one')).toBe('1');
    expect(ranIn('one', '--shell')).toBe('0');
    expect(host.tranche(['slice', 'resize', 'one', '--gate', 'shells']).status).toBe(0);
    expect(ranIn('one', '--shell')).toBe('1');
    expect(host.tranche(['slice', 'resize', 'one', '--gate', 'off']).status).toBe(0);
    expect([ranIn('one'), ranIn('one', '--shell'), ranIn('one', '--gate')]).toEqual(['0', '0', '1']);
    const refused = host.tranche(['slice', 'resize', 'one', '--gate', 'on']);
    expect(refused.stderr).toContain('must be "off", "programs" or "shells"');
    const state = await stateWith(client, 'off', ({ slices }) => slices[0]?.gate === 'off');
    expect(state.slices[0]?.enforcement).toBe('cooperative');
    client.close();
  });

  test('is used without an agent, too, by what it has written down', async () => {
    const client = await open();
    client.close();
    await host.agent?.stop('SIGKILL');
    // The lock file is a directory now: no agent can start.
    const lock = join(root.path, 'root/state/agent.lock');
    rmSync(lock);
    mkdirSync(lock);
    const run = host.tranche(['run', '--slice', 'one', '--', ...SAYS]);
    expect(run.stderr).toContain('The limits recorded last are used');
    expect([run.stdout.trim(), run.status]).toEqual(['1', 0]);
  });

  test('lets a program of its own run another one, and none of another slice', async () => {
    const client = await open();
    await client.create({ name: 'two', gpuUuid: GPU1 });
    const inner = (slice: string): string[] => ['run', '--slice', slice, '--', ...SAYS];
    const same = host.tranche(['run', '--slice', 'one', '--', trancheBin, ...inner('one')]);
    expect([same.status, same.stdout.trim(), same.stderr]).toEqual([0, '1', '']);
    const other = host.tranche(['run', '--slice', 'one', '--', trancheBin, ...inner('two')]);
    expect([other.status, other.stdout]).toEqual([125, '']);
    expect(other.stderr).toContain('Nothing was started');
    client.close();
  });

  test('says so where a program cannot go behind it, and runs it', async () => {
    const client = await open();
    // Somebody else’s filter with a listener is on already.
    const inner = ['env', '-u', 'TRANCHE_GATED', trancheBin, 'run', '--slice', 'one', '--', ...SAYS];
    const run = host.tranche(['run', '--gate', '--slice', 'one', '--', ...inner]);
    expect([run.status, run.stdout.trim()]).toEqual([0, '1']);
    expect(run.stderr).toContain('not behind the gate, though slice one asks for it');
    client.close();
  });
});

describe.skipIf(!hasSim || !hasShim || !isGatePossible)('a job in a slice whose gate was proved', () => {
  const inState = (client: Client, id: string, state: string) =>
    until(`job ${id} to be ${state}`, () => {
      const last = client.lines.findLast((line) => line['ev'] === 'jobs');
      const jobs = last ? jobsEventSchema.parse(last).jobs : [];
      return jobs.find((row) => row.id === id && row.state === state);
    });
  const start = (...words: readonly string[]): string =>
    host.tranche(['job', 'start', '--slice', 'one', '--', ...words]).stdout.trim();

  test('is held, and its supervisor is none of what it leaves behind', async () => {
    const client = await open();
    const id = start(...SAYS);
    const ended = await inState(client, id, 'ended');
    expect([ended.exitCode, ended.message]).toEqual([0, null]);
    expect(host.tranche(['job', 'log', id]).stdout.trim()).toBe('1');
    client.close();
  });

  test('that leaves a worker behind has it ended and named, alone', async () => {
    const client = await open();
    const id = start('sh', '-c', `setsid sh -c 'exec sleep 600' & exit 3`);
    const ended = await inState(client, id, 'ended');
    expect(ended.exitCode).toBe(3);
    expect(ended.message).toMatch(/^It left 1 process behind, which was ended: (sh|setsid|sleep) \(\d+\)\.$/);
    client.close();
  });

  test('is cancelled, with all of it', async () => {
    const client = await open();
    const id = start(...TAKES);
    await sampleWith(client, ({ processes }) => processes.some(({ jobId, gated }) => jobId === id && gated));
    expect(host.tranche(['job', 'cancel', id]).status).toBe(0);
    await inState(client, id, 'cancelled');
    await sampleWith(client, ({ slices }) => slices[0]?.processCount === 0);
    client.close();
  });
});

describe.skipIf(!hasSim || !hasShim || !isGatePossible)('a terminal in a slice whose gate was proved', () => {
  test.each([
    ['programs', '0'],
    ['shells', '1'],
  ])('whose gate is for %s', async (gate, said) => {
    const client = await open({ gate });
    const { slices } = await stateWith(client, 'a slice', (state) => state.slices.length === 1);
    client.close();
    const attached = new AttachedProcess(root);
    host.keep(attached.child);
    let text = '';
    attached.onLine = (line) => {
      if (line['ev'] !== 'terminal-output') return;
      text += Buffer.from(terminalOutputEventSchema.parse(line).data, 'base64').toString('latin1');
    };
    const reply = await attached.ask('terminal-open', { sliceId: slices[0]?.id, columns: 80, rows: 24 });
    const { terminalId } = terminalOpenReplySchema.parse(reply);
    await attached.ask('terminal-attach', { terminalId });
    const line = `echo "says-$(grep -c '^Seccomp:.*2$' /proc/self/status)-"\n`;
    await attached.ask('terminal-input', { terminalId, data: Buffer.from(line).toString('base64') });
    await until('an answer', () => /says-\d-/.test(text));
    expect(text).toContain(`says-${said}-`);
    const type = (keys: string): Promise<unknown> =>
      attached.ask('terminal-input', { terminalId, data: Buffer.from(keys).toString('base64') });
    const closeIfIdle = async (): Promise<string> =>
      JSON.stringify(await attached.ask('terminal-close', { terminalId, ifIdle: true }));
    // A program in front keeps it from being closed as idle; a prompt does not, whoever stands above the shell.
    await type('sleep 1000\n');
    await vi.waitFor(async () => expect(await closeIfIdle()).toContain('sleep runs in it'), WAITED);
    await type('\x03');
    await vi.waitFor(async () => expect(await closeIfIdle()).toContain('"ok":true'), WAITED);
  });
});

describe.skipIf(!hasSim || !hasShim || !isGatePossible)('a program of a terminal', () => {
  /** A terminal in the slice `one`, whose gate is for programs. */
  const terminal = async () => {
    const client = await open({ gate: 'programs' });
    const { slices } = await stateWith(client, 'a slice', (state) => state.slices.length === 1);
    const attached = new AttachedProcess(root);
    host.keep(attached.child);
    let text = '';
    attached.onLine = (line) => {
      if (line['ev'] !== 'terminal-output') return;
      text += Buffer.from(terminalOutputEventSchema.parse(line).data, 'base64').toString('latin1');
    };
    const reply = await attached.ask('terminal-open', { sliceId: slices[0]?.id, columns: 200, rows: 24 });
    const { terminalId } = terminalOpenReplySchema.parse(reply);
    await attached.ask('terminal-attach', { terminalId });
    const type = (keys: string): Promise<unknown> =>
      attached.ask('terminal-input', { terminalId, data: Buffer.from(keys).toString('base64') });
    await client.ask('subscribe', { sampleIntervalMs: 100 });
    return { client, type, text: () => text };
  };

  test('comes behind the gate by itself when it first meets the driver, and its shell does not', async () => {
    const { client, type, text } = await terminal();
    await type(`${workload} notebook --memory ${String(GIB / 4)} --seconds 60 &\n`);
    const sample = await sampleWith(
      client,
      ({ slices }) => (slices[0]?.memoryUsedBytes ?? 0) > GIB / 4 && slices[0]?.ungatedCount === 0,
    );
    expect(sample.processes.find(({ sliceId }) => sliceId !== null)).toMatchObject({ gated: true });
    await type(
      'echo "says-$(grep -c "^Seccomp:.*2$" /proc/self/status)-$(grep -c "^Seccomp:.*2$" /proc/$!/status)-"\n',
    );
    await until('an answer', () => /says-\d-\d-/.test(text()));
    expect(text()).toContain('says-0-1-');
    client.close();
  });

  test('is held there beyond what the library would refuse: what it starts without it', async () => {
    const { client, type, text } = await terminal();
    const source = join(root.path, 'starts.c');
    const program = join(root.path, 'starts');
    // It meets the driver, and becomes a program that asks by hand.
    writeFileSync(
      source,
      'extern int cuInit(unsigned); #include <unistd.h>\nint main(int n, char **a) { return n < 2 || cuInit(0) ? 9 : execv(a[1], a + 1); }\n'.replace(
        '; #include',
        ';\n#include',
      ),
    );
    execFileSync('gcc', ['-o', program, source, join(simDir, 'libcuda.so.1')]);
    const requester = join(root.path, 'requester');
    execFileSync('gcc', [
      '-std=gnu11',
      `-I${import.meta.dirname}`,
      join(import.meta.dirname, 'gate_requester.c'),
      '-o',
      requester,
      '-lpthread',
    ]);
    await type(`${program} ${requester} /dev/null /dev/zero a:1:600 a:2:600 f:1 a:3:600\n`);
    await until('its word', () => text().includes('ynyy.') || (/[yn]{4}\./.test(text()) ? text() : null));
    expect(text()).toContain('ynyy.');
    client.close();
  });
});

describe.skipIf(!hasSim || !isGatePossible)('the proof', () => {
  const open = async (): Promise<Client> => {
    const client = await Client.open(root);
    await client.ask('subscribe', { sampleIntervalMs: 100 });
    return client;
  };

  test('is kept, made anew where what is kept is not whole, and not believed of another driver', async () => {
    const agent = await host.start();
    await stateWith(await open(), 'the gate to be proved', isProved);
    await agent.stop();
    const file = join(root.path, 'root/state/gate');
    const kept = readFileSync(file, 'utf8');
    expect(agent.log().match(/the gate and driver/g)).toHaveLength(1);
    const again = await host.start();
    await stateWith(await open(), 'the gate to be proved', isProved);
    expect(again.log()).not.toContain('the gate and driver');
    await again.stop();
    for (const other of [kept.replace('"driver":"', '"driver":"9'), kept.replace('nvidia', 'nvidib'), '']) {
      writeFileSync(file, other);
      const anew = await host.start();
      await stateWith(await open(), 'the gate to be proved', isProved);
      expect(anew.log()).toContain('the gate and driver');
      await anew.stop();
    }
  });

  test('is not given for a driver that makes other requests, and nothing is gated then', async () => {
    const devices = join(root.path, 'devices');
    rmSync(devices, { recursive: true }); // the simulated driver then has nobody to ask, and asks for nothing
    await host.start();
    const client = await open();
    await client.create();
    const state = await stateWith(
      client,
      'a verdict',
      ({ backends }) => backends?.[0]?.gate === 'not-proved',
    );
    expect(state.backends?.[0]?.gateNote).toMatch(/\.$/);
    expect(ranIn('one')).toBe('0');
    const made = await stateWith(client, 'the slice', ({ slices }) => slices.length === 1);
    expect(made.slices[0]).toMatchObject({ gate: 'programs', enforcement: 'cooperative' });
    client.close();
  });
});
