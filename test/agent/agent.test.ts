/** The agent as a process: the golden requests, and what must hold when things go wrong around it. */
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  truncateSync,
} from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  editReplySchema,
  errorReplySchema,
  eventSchema,
  helloReplySchema,
} from '../../model/agent-protocol.ts';
import {
  Client,
  GIB,
  goldenLines,
  GPU0,
  hasSim,
  simDir,
  slicesOf,
  TestHost,
  trancheBin,
  until,
  type Root,
} from './agent_process.ts';

let host: TestHost;
let root: Root;

function setUp(options?: { readonly sim: boolean }): void {
  host = new TestHost(options);
  root = host.root;
}

afterEach(() => host.end());

const create = (client: Client, name: string, gib = 1) =>
  client.create({ memoryLimitBytes: gib * GIB, name });

describe.skipIf(!hasSim)('with simulated GPUs', () => {
  beforeEach(() => setUp());

  test('answers every golden request as it is written', async () => {
    await host.start();
    const client = await Client.open(root);
    for (const { name, line, expect: expected } of goldenLines('requests.jsonl')) {
      const reply = await client.raw((line as string).replace('$GPU0', GPU0));
      const got = reply['ok'] === true ? 'ok' : reply['code'];
      expect(`${String(name)}: ${String(got)}`).toBe(`${String(name)}: ${String(expected)}`);
      if (reply['ok'] !== true) errorReplySchema.parse(reply);
    }
    client.close();
  });

  test('every line it sends fits the schemas of the model', async () => {
    await host.start();
    const client = await Client.open(root);
    helloReplySchema.parse(await client.ask('hello', { protocolMin: 1, protocolMax: 1 }));
    await client.ask('subscribe', { sampleIntervalMs: 100 });
    editReplySchema.parse(await create(client, 'one'));
    const state = await client.event('state', (line) => (line['slices'] as unknown[]).length === 1);
    const sample = await client.event('sample', (line) => (line['slices'] as unknown[]).length === 1);
    expect(eventSchema.parse(state)).toMatchObject({ gpus: [{ simulated: true }, {}] });
    const gpus = eventSchema.parse(sample);
    expect(gpus.ev === 'sample' && gpus.gpus[0]?.memoryUsedBytes).toBeGreaterThan(0);
    await until('a recorded second', () => existsSync(join(root.path, 'root/state/history', `${GPU0}.1s`)));
    await client.event('sample', (line) => Number(line['seq']) > Number(sample['seq']) + 11);
    const now = Date.now();
    const reply = await client.ask('history', {
      gpuUuid: GPU0,
      fromMs: now - 60_000,
      toMs: now,
      maxPoints: 100,
    });
    expect(reply['points']).toBeGreaterThan(0);
    const history = eventSchema.parse(await client.event('history'));
    expect(history.ev === 'history' && history.last).toBe(true);
    expect(history.ev === 'history' && history.tierMs).toBe(1000);
    for (const line of client.lines) if ('ev' in line) eventSchema.parse(line);
    client.close();
  });

  test('undo restores a deleted slice, redo deletes it again, and a later edit forbids it', async () => {
    await host.start();
    const client = await Client.open(root);
    const made = await create(client, 'one', 4);
    const gone = await client.ask('slice-delete', { sliceId: made['sliceId'], revision: made['revision'] });
    expect(await slicesOf(root)).toEqual([]);
    const back = await client.ask('undo', { undoToken: gone['undoToken'] });
    expect(back).toMatchObject({ ok: true, sliceId: made['sliceId'] });
    expect(await slicesOf(root)).toMatchObject([{ id: made['sliceId'], memoryLimitBytes: 4 * GIB }]);
    const redone = await client.ask('undo', { undoToken: back['undoToken'] });
    expect(redone['ok']).toBe(true);
    expect(await slicesOf(root)).toEqual([]);
    expect(await client.ask('undo', { undoToken: gone['undoToken'] })).toMatchObject({
      code: 'changed-since',
    });
    client.close();
  });

  test('holds limits to the guard that operators set, over a restart, and lets what is above it shrink', async () => {
    const first = await host.start();
    let client = await Client.open(root);
    await client.ask('subscribe', { sampleIntervalMs: 100 });
    const gpus = (await client.event('state'))['gpus'] as { uuid: string; capacityBytes: number }[];
    const card = Math.floor((gpus.find(({ uuid }) => uuid === GPU0)?.capacityBytes ?? 0) / GIB);
    const one = await create(client, 'one', card - 2);
    expect((await create(client, 'two', card - 2))['ok']).toBe(true); // no guard to begin with
    expect((await client.ask('settings-set', { memoryOvercommitMaxPercent: 100 }))['ok']).toBe(true);
    expect(await client.event('state', (line) => line['memoryOvercommitMaxPercent'] === 100)).toBeTruthy();
    client.close();
    await first.stop('SIGKILL');
    await host.start();
    client = await Client.open(root);
    expect(await create(client, 'three', 1)).toMatchObject({ ok: false, code: 'overcommit-exceeds-guard' });
    const id = one['sliceId'];
    const grow = await client.ask('slice-resize', { sliceId: id, memoryLimitBytes: (card - 1) * GIB });
    expect(grow).toMatchObject({ ok: false, code: 'overcommit-exceeds-guard' });
    const shrunk = await client.ask('slice-resize', { sliceId: id, memoryLimitBytes: GIB });
    expect(shrunk['ok']).toBe(true);
    expect((await create(client, 'three', 1))['ok']).toBe(true);
    expect(await client.ask('undo', { undoToken: shrunk['undoToken'] })).toMatchObject({
      code: 'overcommit-exceeds-guard',
    });
    expect((await client.ask('settings-set', { memoryOvercommitMaxPercent: null }))['ok']).toBe(true);
    expect((await client.ask('undo', { undoToken: shrunk['undoToken'] }))['ok']).toBe(true);
    client.close();
  });

  test('an undo token survives kill -9', async () => {
    const first = await host.start();
    let client = await Client.open(root);
    const made = await create(client, 'one', 4);
    const edit = await client.ask('slice-resize', { sliceId: made['sliceId'], memoryLimitBytes: 8 * GIB });
    await first.stop('SIGKILL');
    await host.start();
    client = await Client.open(root);
    expect(await slicesOf(root)).toMatchObject([{ memoryLimitBytes: 8 * GIB }]);
    expect((await client.ask('undo', { undoToken: edit['undoToken'] }))['ok']).toBe(true);
    expect(await slicesOf(root)).toMatchObject([{ memoryLimitBytes: 4 * GIB }]);
    client.close();
  });

  test('kill -9 at any moment of a stream of edits loses no acknowledged one', async () => {
    let expected = 0;
    let revision = 0;
    let id: unknown;
    for (let round = 0; round < 12; round += 1) {
      const agent = await host.start();
      const rows = await slicesOf(root);
      if (round > 0) {
        // The edit in flight when it was killed may or may not be there; an acknowledged one must be.
        expect(rows[0]?.revision).toBeGreaterThanOrEqual(revision);
        expect(rows[0]?.revision).toBeLessThanOrEqual(revision + 1);
        expect(rows[0]?.memoryLimitBytes).toBeGreaterThanOrEqual(expected);
        revision = rows[0]?.revision ?? 0;
        expected = rows[0]?.memoryLimitBytes ?? 0;
      }
      const client = await Client.open(root);
      if (round === 0) {
        const made = await create(client, 'one', 1);
        id = made['sliceId'];
        revision = made['revision'] as number;
        expected = GIB;
      }
      const killAt = Date.now() + 5 + Math.floor(Math.random() * 60);
      setTimeout(() => agent.child.kill('SIGKILL'), killAt - Date.now());
      for (;;) {
        const reply = await client
          .ask('slice-resize', { sliceId: id, memoryLimitBytes: expected + 1 })
          .catch(() => null);
        if (reply?.['ok'] !== true) break;
        expected += 1;
        revision = reply['revision'] as number;
      }
      await agent.ended;
      client.close();
    }
    expect(revision).toBeGreaterThan(12);
  });

  test('a state file cut in half is put aside, the version before it is in force, and doctor says so', async () => {
    const first = await host.start();
    let client = await Client.open(root);
    const made = await create(client, 'one', 4);
    await client.ask('slice-resize', { sliceId: made['sliceId'], memoryLimitBytes: 8 * GIB });
    await first.stop('SIGKILL');
    const file = join(root.path, 'root/state/slices.jsonl');
    truncateSync(file, Math.floor(statSync(file).size / 2));
    await host.start();
    expect(await slicesOf(root)).toMatchObject([{ name: 'one', memoryLimitBytes: 4 * GIB }]);
    expect(readdirSync(join(root.path, 'root/state')).some((name) => name.includes('.broken-'))).toBe(true);
    client = await Client.open(root);
    const doctor = await client.ask('doctor');
    expect((doctor['findings'] as { code: string }[]).map((finding) => finding.code)).toContain(
      'state-damaged',
    );
    expect(
      (await client.ask('slice-resize', { sliceId: made['sliceId'], memoryLimitBytes: GIB }))['ok'],
    ).toBe(true);
    client.close();
  });

  test('when the state cannot be written the edit is refused and not applied', async () => {
    // One without the limit first: the simulated driver's own file is larger than it.
    await (await host.start()).stop();
    const agent = await host.start({ shell: 'ulimit -f 200' });
    const client = await Client.open(root);
    const made = await create(client, 'one', 1);
    let last = made;
    let refused = null;
    for (let i = 1; i < 400 && !refused; i += 1) {
      const reply = await client.ask('slice-resize', { sliceId: made['sliceId'], memoryLimitBytes: GIB + i });
      if (reply['ok'] === true) last = reply;
      else refused = reply;
    }
    expect(refused).toMatchObject({ code: 'state-not-saved' });
    const [row] = await slicesOf(root);
    expect(row?.revision).toBe(last['revision']);
    client.close();
    await agent.stop('SIGKILL');
    await host.start();
    expect((await slicesOf(root))[0]).toEqual(row);
  });

  test('a client that never reads gets the newest sample and harms nobody', async () => {
    await host.start();
    const slow = await Client.open(root);
    await slow.ask('subscribe', { sampleIntervalMs: 100 });
    slow.socket.pause();
    const other = await Client.open(root);
    for (let i = 0; i < 20; i += 1) expect((await create(other, `s${i}`))['ok']).toBe(true);
    await other.ask('subscribe', { sampleIntervalMs: 100 });
    const first = await other.event('sample');
    await other.event('sample', (line) => Number(line['seq']) > Number(first['seq']) + 20);
    const seen = slow.lines.length;
    slow.socket.resume();
    const newest = Number(other.lines.findLast((line) => line['ev'] === 'sample')?.['seq']);
    await slow.event('sample', (line) => Number(line['seq']) >= newest);
    expect(slow.lines.length).toBeGreaterThan(seen);
    slow.close();
    other.close();
  });

  test('a hundred connections that ask without reading do not stop the others', async () => {
    await host.start();
    const crowd = await Promise.all(Array.from({ length: 20 }, () => Client.open(root)));
    for (const client of crowd) {
      client.socket.pause();
      client.socket.write('{"id":1,"op":"doctor"}\n'.repeat(2000));
    }
    const other = await Client.open(root);
    expect((await create(other, 'one'))['ok']).toBe(true);
    for (const client of crowd) client.close();
    other.close();
  });

  test('uses little memory', async () => {
    const agent = await host.start();
    const client = await Client.open(root);
    for (let i = 0; i < 60; i += 1) await create(client, `s${i}`);
    await client.ask('subscribe', { sampleIntervalMs: 100 });
    const first = await client.event('sample');
    await client.event('sample', (line) => Number(line['seq']) > Number(first['seq']) + 5);
    const status = readFileSync(`/proc/${String(agent.child.pid)}/status`, 'utf8');
    const anonymous = Number(/RssAnon:\s+(\d+)/.exec(status)?.[1]);
    expect(anonymous).toBeLessThan(2048);
    client.close();
  });
});

describe('without a driver', () => {
  beforeEach(() => setUp({ sim: false }));

  test('works and says why there is no GPU', async () => {
    await host.start();
    const client = await Client.open(root);
    const hello = helloReplySchema.parse(await client.ask('hello', { protocolMin: 1, protocolMax: 1 }));
    expect(Math.abs((hello.hostTimeMs ?? 0) - Date.now())).toBeLessThan(60_000);
    expect(hello.gpuNote).toContain('libnvidia-ml.so.1 was not found');
    expect(hello.driver).toBeNull();
    expect(await create(client, 'one')).toMatchObject({ ok: false, code: 'no-gpu' });
    await client.ask('subscribe');
    eventSchema.parse(await client.event('state'));
    eventSchema.parse(await client.event('sample'));
    client.close();
  });

  test('looks for one at once when it is told to, and says what it still lacks', async () => {
    // Where it looks first, a driver will be; before, there is not even the folder.
    const folder = join(root.path, 'driver');
    Object.assign(root.env, { TRANCHE_DRIVER_DIR: folder, TRANCHE_SIM_DIR: root.path });
    await host.start();
    const client = await Client.open(root);
    await client.ask('subscribe', { sampleIntervalMs: 60_000 });
    const still = await client.ask('gpus-look');
    expect(still).toMatchObject({ ok: false, code: 'no-gpu' });
    expect(still['message']).toContain('libnvidia-ml.so.1 was not found');
    mkdirSync(folder);
    symlinkSync(join(simDir, 'libnvidia-ml.so.1'), join(folder, 'libnvidia-ml.so.1'));
    expect(await client.ask('gpus-look')).toMatchObject({ ok: true });
    await client.event('state', ({ gpus }) => (gpus as unknown[]).length > 0);
    client.close();
  });

  test('a line of 10 MB ends the connection with line-too-long and nothing else', async () => {
    await host.start();
    const client = await Client.open(root);
    client.socket.write('x'.repeat(10_000_000));
    const reply = await until('the error', () => client.lines[0]);
    expect(reply).toMatchObject({ id: null, ok: false, code: 'line-too-long' });
    await until('the end of the connection', () => client.closed);
    const other = await Client.open(root);
    expect((await other.ask('unsubscribe'))['ok']).toBe(true);
    other.close();
  });

  test('a client that never stops sending after that is cut off', async () => {
    await host.start();
    const socket = connect({ path: join(root.env['TRANCHE_ROOT'] ?? '', 'agent.sock'), allowHalfOpen: true });
    let answer = '';
    let told = 0;
    let cut = 0;
    socket.on('data', (data: Buffer) => {
      answer += data.toString('utf8');
    });
    socket.on('end', () => {
      told = Date.now();
    });
    socket.on('error', () => undefined); // EPIPE is what is asked for here
    socket.on('close', () => {
      cut = Date.now();
    });
    const chunk = 'x'.repeat(65536);
    const write = (): void => {
      if (socket.destroyed) return;
      if (socket.write(chunk)) setImmediate(write);
      else socket.once('drain', write);
    };
    socket.once('connect', write);
    await until('the connection to be cut', () => cut > 0);
    expect(answer).toContain('line-too-long');
    expect(told).toBeGreaterThan(0);
    expect(cut - told).toBeGreaterThan(1500);
    const other = await Client.open(root);
    expect((await other.ask('unsubscribe'))['ok']).toBe(true);
    other.close();
  });

  test('of many agents started at once one stays and the others end with status 0', async () => {
    const started = await Promise.all(Array.from({ length: 8 }, () => host.start()));
    const running = started.filter((agent) => agent.log().includes(' listens on '));
    expect(running).toHaveLength(1);
    const others = started.filter((agent) => !running.includes(agent));
    expect(await Promise.all(others.map((agent) => agent.ended))).toEqual(others.map(() => 0));
    const client = await Client.open(root);
    expect((await client.ask('unsubscribe'))['ok']).toBe(true);
    client.close();
  });

  test('a killed agent’s socket does not stand in the way of the next', async () => {
    const first = await host.start();
    await first.stop('SIGKILL');
    expect(existsSync(join(root.path, 'root/agent.sock'))).toBe(true);
    const next = await host.start();
    expect(next.log()).toContain(' listens on ');
  });

  test('SIGTERM tells those who listen and removes the socket', async () => {
    const agent = await host.start();
    const client = await Client.open(root);
    await client.ask('subscribe');
    await client.event('sample');
    await agent.stop('SIGTERM');
    expect(await client.event('notice')).toMatchObject({ code: 'agent-leaving' });
    expect(await agent.ended).toBe(0);
    expect(existsSync(join(root.path, 'root/agent.sock'))).toBe(false);
  });

  test('attach starts the agent, skips nothing, and answers what was asked before stdin ended', async () => {
    const out = execFileSync(trancheBin, ['attach', 'n0nce'], {
      env: root.env,
      input:
        '{"id":1,"op":"hello","protocolMin":1,"protocolMax":1,"client":"t"}\n{"id":2,"op":"shutdown","reason":"test"}\n',
      encoding: 'utf8',
      timeout: 10_000,
    });
    const [first, hello, bye] = out.split('\n');
    expect(first).toBe('TRANCHE-ATTACH n0nce');
    helloReplySchema.parse(JSON.parse(hello ?? ''));
    expect(JSON.parse(bye ?? '')).toEqual({ id: 2, ok: true });
  });

  test('says in one sentence what is wrong on the command line', () => {
    const cases: [string[], number, string][] = [
      [['run', '--slice', 'none', '--', 'true'], 125, 'tranche: '],
      [['slice', 'create', '--memory', '20GB', '--compute', '50', '--gpu', 'x'], 125, 'is not a size'],
      [['slice', 'explode'], 125, 'slice takes'],
      [['frobnicate'], 125, 'Usage'],
    ];
    for (const [args, status, text] of cases) {
      const result = host.tranche(args);
      expect(`${args.join(' ')}: ${String(result.status)}`).toBe(`${args.join(' ')}: ${String(status)}`);
      expect(result.stderr).toContain(text);
    }
    host.tranche(['attach', 'x'], { input: '{"id":1,"op":"shutdown"}\n' });
  });
});
