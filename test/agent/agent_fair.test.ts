/** One agent for everybody: what one user does to it by asking a lot, and what the others notice of that. */
import { spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { jobsEventSchema } from '../../model/agent-protocol.ts';
import {
  Client,
  DAEMON,
  GIB,
  hasShim,
  hasSim,
  isRoot,
  NOBODY,
  TestHost,
  until,
  type Line,
  type Root,
} from './agent_process.ts';

let host: TestHost;
let root: Root;

beforeEach(() => {
  host = new TestHost();
  root = host.root;
});

afterEach(() => host.end());

/** A script of that user's, with `path` the agent's socket and `net` at hand; what it says. */
function asUser(uid: number, script: string): { child: ChildProcess; said: () => string } {
  const head = `const net = require('node:net'); const path = process.env.TRANCHE_ROOT + '/agent.sock';\n`;
  const child = host.keep(
    spawn(process.execPath, ['-e', head + script], {
      env: root.env,
      uid,
      gid: uid,
      stdio: ['ignore', 'pipe', 'inherit'],
    }),
  );
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (more: string) => (text += more));
  return { child, said: () => text };
}

/** Asks the dearest question there is, over and over, and reads every answer. */
const FLOOD = `
  const line = '{"id":1,"op":"audit"}\\n'.repeat(50);
  for (let i = 0; i < 3; i += 1) {
    const socket = net.connect(path);
    const write = () => { while (socket.write(line)); };
    let told = false;
    socket.on('drain', write).on('connect', write).on('error', () => process.exit(1));
    socket.on('data', () => { if (!told) console.log('answered'); told = true; });
  }`;

/** Opens connections and says how many of them the agent left open. */
const crowd = (count: number): string => `
  let answers = 0, ended = 0;
  for (let i = 0; i < ${String(count)}; i += 1) {
    const socket = net.connect(path);
    const over = () => { ended += 1; };
    socket.on('error', () => undefined).on('close', over);
    socket.once('data', () => { answers += 1; });
    socket.write('{"id":1,"op":"unsubscribe"}\\n');
  }
  setInterval(() => { if (answers + ended >= ${String(count)}) console.log('open ' + answers); }, 20);`;

describe.skipIf(!hasSim || !hasShim || !isRoot)('one user who asks without end', () => {
  test('holds up neither samples nor the dead nor other people’s questions', async () => {
    const copied = host.openToOthers();
    await host.start({ bin: copied('tranche') });
    const client = await Client.open(root);
    const made = await client.create();
    // Enough of an audit that reading it takes a while.
    for (let i = 0; i < 150; i += 1) {
      await client.ask('slice-resize', { sliceId: made['sliceId'], memoryLimitBytes: GIB + i * 4096 });
    }
    const program = host.run('one', [copied('tranche-sim-workload'), 'notebook', '--seconds', '120'], {
      bin: copied('tranche'),
    });
    await client.ask('subscribe', { sampleIntervalMs: 100 });
    const countOf = (line: Line): unknown => (line['slices'] as Line[])[0]?.['processCount'];
    await client.event('sample', (line) => countOf(line) === 1);
    const flood = asUser(NOBODY, FLOOD);
    await until('the flood', () => flood.said().includes('answered'));
    const seen = client.lines.length;
    const samples = (): Line[] => client.lines.slice(seen).filter((line) => line['ev'] === 'sample');
    // Ten a second are wanted. With no bound there was one in half a minute.
    await until('thirty samples', () => samples().length >= 30, 15_000);
    program.kill('SIGKILL');
    await until('its death to be seen', () => samples().some((line) => countOf(line) === 0));
    expect(await client.ask('hello', { protocolMin: 1, protocolMax: 1 })).toMatchObject({ ok: true });
    expect(flood.child.exitCode).toBeNull();
    client.close();
  });

  test('does not lock others out with the uids that are subordinate to his own', async () => {
    host.people({ tom: 2001 });
    writeFileSync(join(root.path, 'root/subuid'), 'tom:100000:65536\n');
    chmodSync(join(root.path, 'root'), 0o755);
    host.openToOthers();
    await host.start();
    const crowds = [0, 1, 2, 3, 4].map((i) => asUser(100_000 + i, crowd(32)));
    const left = await until('all of them to be answered or refused', () => {
      const counts = crowds.map((one) => /open (\d+)/.exec(one.said())?.[1]);
      return counts.every((count) => count !== undefined) && counts.map(Number);
    });
    expect(left.reduce((sum, count) => sum + count, 0)).toBe(32);
    const other = asUser(DAEMON, crowd(1));
    await until('somebody else to be answered', () => other.said().includes('open 1'));
  });

  test('leaves places for who looks after the host, however many they are', async () => {
    host.openToOthers();
    await host.start();
    const crowds = [0, 1, 2, 3, 4].map((i) => asUser(3001 + i, crowd(32)));
    await until('all of them', () => crowds.every((one) => one.said().includes('open')));
    const client = await Client.open(root);
    expect(await client.ask('hello', { protocolMin: 1, protocolMax: 1 })).toMatchObject({
      operator: true,
      verbs: expect.stringMatching(/slices-change.* operators-name$/),
    });
    client.close();
  });

  test('pushes nobody else’s ended jobs out of the list', async () => {
    host.openToOthers();
    await host.start();
    const client = await Client.open(root);
    const ids = new Map<string, unknown>();
    for (const owner of ['daemon', 'nobody']) {
      ids.set(owner, (await client.create({ owner, name: owner }))['sliceId']);
    }
    await client.ask('subscribe', { sampleIntervalMs: 60_000 });
    const put = (first: number, count: number, slice: unknown): string => `
      const put = (i) => {
        if (i === ${String(first + count)}) { console.log('done'); process.exit(0); }
        const socket = net.connect(path);
        socket.on('error', () => undefined);
        socket.write(JSON.stringify({ id: 1, op: 'job-put', jobId: 'j-' + String(i).padStart(16, '0'), name: 'x',
          sliceId: '${String(slice)}', command: 'x', state: 'ended', submittedAtMs: 1, endedAtMs: Date.now() }) + '\\n');
        socket.once('data', () => { socket.destroy(); put(i + 1); });
      };
      put(${String(first)});`;
    const few = asUser(DAEMON, put(1, 5, ids.get('daemon')));
    await until('the five jobs', () => few.said().includes('done'));
    const many = asUser(NOBODY, put(1000, 120, ids.get('nobody')));
    await until('the many', () => many.said().includes('done'), 60_000);
    const jobs = await until('the list', () => {
      const last = client.lines.findLast((line) => line['ev'] === 'jobs');
      const rows = last ? jobsEventSchema.parse(last).jobs : [];
      return rows.some((row) => row.id.endsWith('1119')) && rows;
    });
    expect(jobs.filter((row) => row.user === 'daemon')).toHaveLength(5);
    expect(jobs.filter((row) => row.user === 'nobody').length).toBeLessThanOrEqual(100);
    client.close();
  });
});
