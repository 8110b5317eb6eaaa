/** Who changed which slice: kept through kill -9 and torn files, bounded, and not to be pushed out by refused edits. */
import { spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type AuditRecord } from '../../model/people.ts';
import { auditReplySchema } from '../../model/agent-protocol.ts';
import { Client, GIB, hasSim, isRoot, TestHost, workload, type Line, type Root } from './agent_process.ts';

let host: TestHost;
let root: Root;

beforeEach(() => {
  host = new TestHost();
  root = host.root;
});

afterEach(() => host.end());

const create = (client: Client, name: string) => client.create({ name, memoryLimitBytes: GIB });
const audit = async (client: Client, fields: Record<string, unknown> = {}): Promise<AuditRecord[]> =>
  auditReplySchema.parse(await client.ask('audit', fields)).records;
const file = (name = 'audit.jsonl') => join(root.path, 'root/state', name);

/** The record of a job that is over, as it is told to those who listen. */
const endOf = async (client: Client, detail: string): Promise<AuditRecord> => {
  const isIt = (line: Line): boolean => {
    const record = line['record'] as AuditRecord;
    return record.action === 'job-end' && record.detail?.includes(detail) === true;
  };
  return (await client.event('audit', isIt))['record'] as AuditRecord;
};

describe.skipIf(!hasSim)('the audit', () => {
  test('says who did what, from what to what, to those who listen and to those who ask', async () => {
    await host.start();
    const client = await Client.open(root);
    client.socket.write('{"op":"introduce","shimPath":"/x","from":"10.0.0.7"}\n');
    await client.ask('subscribe', { sampleIntervalMs: 60000 });
    const made = await create(client, 'one');
    await client.ask('slice-resize', { sliceId: made['sliceId'], memoryLimitBytes: 2 * GIB });
    await client.ask('slice-rename', { sliceId: made['sliceId'], revision: 2, name: 'two' });
    const gone = await client.ask('slice-delete', { sliceId: made['sliceId'], revision: 3 });
    await client.ask('undo', { undoToken: gone['undoToken'] });
    const records = await audit(client);
    expect(records.map((one) => one.action)).toEqual([
      'undo',
      'slice-delete',
      'slice-rename',
      'slice-resize',
      'slice-create',
    ]);
    const me = process.getuid?.();
    for (const one of records) expect(one).toMatchObject({ uid: me, claimedFrom: '10.0.0.7', refusal: null });
    expect(records[4]).toMatchObject({ before: null, after: { name: 'one', memoryLimitBytes: GIB } });
    expect(records[3]).toMatchObject({
      before: { memoryLimitBytes: GIB },
      after: { memoryLimitBytes: 2 * GIB },
    });
    expect(records[2]).toMatchObject({ before: { name: 'one' }, after: { name: 'two' } });
    expect(records[1]).toMatchObject({ before: { name: 'two' }, after: null });
    expect(records[0]).toMatchObject({ before: null, after: { name: 'two' } });
    const event = await client.event('audit', (line) => (line['record'] as AuditRecord).action === 'undo');
    expect(event['record']).toEqual(records[0]);
    client.close();
  });

  test('is asked for in pages, per slice and per range', async () => {
    await host.start();
    const client = await Client.open(root);
    const ids: unknown[] = [];
    for (let i = 0; i < 7; i += 1) ids.push((await create(client, `s${i}`))['sliceId']);
    const seen: number[] = [];
    let beforeSeq: number | null = null;
    for (let page = 0; page < 10; page += 1) {
      const reply = auditReplySchema.parse(await client.ask('audit', { maxRecords: 3, beforeSeq }));
      seen.push(...reply.records.map((one) => one.seq));
      beforeSeq = reply.nextBeforeSeq;
      if (beforeSeq === null) break;
    }
    expect(seen).toEqual([7, 6, 5, 4, 3, 2, 1]);
    expect((await audit(client, { sliceId: ids[2] })).map((one) => one.sliceName)).toEqual(['s2']);
    const at = (await audit(client)).map((one) => one.atMs);
    expect((await audit(client, { fromMs: at[0] })).every((one) => one.atMs >= (at[0] ?? 0))).toBe(true);
    expect(await audit(client, { toMs: (at.at(-1) ?? 0) - 1 })).toEqual([]);
    client.close();
  });

  test('survives kill -9 right after the reply, a torn tail and a line that was changed', async () => {
    const first = await host.start();
    let client = await Client.open(root);
    await create(client, 'one');
    await create(client, 'two');
    await first.stop('SIGKILL');
    const text = readFileSync(file(), 'utf8');
    writeFileSync(file(), text.replace('"sliceName":"one"', '"sliceName":"eno"'));
    appendFileSync(file(), text.slice(0, 100));
    await host.start();
    client = await Client.open(root);
    await create(client, 'three');
    const records = await audit(client);
    expect(records.map((one) => [one.seq, one.sliceName])).toEqual([
      [3, 'three'],
      [2, 'two'],
    ]);
    client.close();
  });

  test('is bounded on disk and keeps the newest', async () => {
    const first = await host.start();
    let client = await Client.open(root);
    const made = await create(client, 'one');
    await first.stop();
    const line = readFileSync(file(), 'utf8');
    writeFileSync(file(), line.repeat(Math.floor((1 << 20) / line.length)));
    await host.start();
    client = await Client.open(root);
    await client.ask('slice-resize', { sliceId: made['sliceId'], computeLimitPercent: 60 });
    expect(existsSync(file('audit.1.jsonl'))).toBe(true);
    expect(statSync(file()).size).toBeLessThan(4096);
    expect((await audit(client))[0]).toMatchObject({ seq: 2, action: 'slice-resize' });
    client.close();
  });

  test.skipIf(!isRoot)(
    'records the refused, in a file of their own, and counts what a loop of them asks',
    async () => {
      await host.start();
      const client = await Client.open(root);
      const made = await create(client, 'one');
      spawnSync('chmod', ['-R', 'go+rX', root.path]);
      const ask = `{"id":1,"op":"slice-resize","sliceId":"${String(made['sliceId'])}","computeLimitPercent":9}\n`;
      const setting = '{"id":1,"op":"settings-set","memoryOvercommitMaxPercent":200}\n';
      const run = host.tranche(['attach', 'x'], {
        env: { ...root.env, SSH_CONNECTION: '10.9.8.7 5 10.0.0.1 22' },
        input: setting + ask.repeat(29),
        uid: 4242,
      });
      expect(run.stdout.match(/"not-permitted"/g)).toHaveLength(30);
      const refused = (await audit(client)).filter((one) => one.refusal !== null);
      expect(refused).toHaveLength(20);
      expect(refused.at(-1)).toMatchObject({ action: 'settings-set', refusal: 'not-permitted' });
      expect(refused[0]).toMatchObject({
        uid: 4242,
        claimedFrom: '10.9.8.7',
        refusal: 'not-permitted',
        sliceName: 'one',
      });
      expect(readFileSync(file(), 'utf8')).not.toContain('not-permitted');
      client.close();
    },
  );

  test('says who was sent which signal, in which slice, and how each job ended', async () => {
    await host.start();
    const client = await Client.open(root);
    const made = await create(client, 'one');
    await client.ask('subscribe', { sampleIntervalMs: 500 });
    const child = host.run('one', [workload, 'heavy', '--seconds', '60']);
    const sample = await client.event('sample', (line) =>
      (line['processes'] as Line[]).some((p) => p['pid'] === child.pid && p['sliceId'] === made['sliceId']),
    );
    const row = (sample['processes'] as Line[]).find((p) => p['pid'] === child.pid);
    const signal = { pid: child.pid, startTicks: row?.['startTicks'], signal: 'KILL' };
    expect(await client.ask('process-stop', signal)).toMatchObject({ ok: true });
    const of = { sliceId: made['sliceId'], sliceName: 'one', refusal: null, before: null, after: null };
    const [stopped] = await audit(client);
    expect(stopped).toMatchObject({ ...of, action: 'process-stop', uid: process.getuid?.() });
    expect(stopped?.detail).toMatch(new RegExp(`^SIGKILL to ${String(child.pid)} of \\S+: .*heavy`));
    for (const [command, how] of [
      ['exit 3', 'failed: exit 3'],
      ['true', 'ended: exit 0'],
      ['kill -SEGV $$', 'failed: signal 11'],
    ] as const) {
      const started = host.tranche([
        'job',
        'start',
        '--slice',
        'one',
        '--name',
        'night',
        '--',
        'sh',
        '-c',
        command,
      ]);
      expect(started.stderr).toBe('');
      expect(await endOf(client, started.stdout.trim())).toMatchObject({
        ...of,
        action: 'job-end',
        detail: `night (${started.stdout.trim()}) ${how}`,
      });
    }
    client.close();
  });

  test('is not pushed out by what anybody may do to his own programs', async () => {
    const first = await host.start();
    let client = await Client.open(root);
    await create(client, 'one');
    await client.ask('subscribe', { sampleIntervalMs: 60000 });
    const started = host.tranche(['job', 'start', '--slice', 'one', '--', 'true']);
    const id = started.stdout.trim();
    await endOf(client, id);
    expect(readFileSync(file(), 'utf8')).not.toContain('job-end');
    await first.stop();
    const line = readFileSync(file('audit-acts.jsonl'), 'utf8').split('\n')[0] ?? '';
    writeFileSync(file('audit-acts.jsonl'), `${line}\n`.repeat(Math.floor((512 << 10) / (line.length + 1))));
    await host.start();
    client = await Client.open(root);
    await client.ask('subscribe', { sampleIntervalMs: 60000 });
    host.tranche(['job', 'start', '--slice', 'one', '--name', 'after', '--', 'true']);
    await endOf(client, 'after (');
    expect(statSync(file('audit-acts.jsonl')).size).toBeLessThan(4096);
    expect((await audit(client, { maxRecords: 100, beforeSeq: 2 })).map((one) => one.action)).toEqual([
      'slice-create',
    ]);
    client.close();
  });

  test('comes as text, JSON and CSV in which no cell is a formula', async () => {
    await host.start();
    const client = await Client.open(root);
    client.socket.write('{"op":"introduce","from":"=cmd(\\"x\\")"}\n');
    await create(client, 'one');
    const run = (...args: string[]) => host.tranche(['audit', ...args]);
    expect(run().stdout).toMatch(/slice-create one .*memoryLimitBytes — → 1073741824/);
    expect(JSON.parse(run('--json', '--slice', 'one').stdout)).toMatchObject({ action: 'slice-create' });
    const csv = run('--csv').stdout.split('\r\n');
    expect(csv[0]).toContain('"claimedFrom"');
    expect(csv[1]).toContain(`"'=cmd(""x"")"`);
    expect(run('--slice', 'nobody').status).toBe(125);
    client.close();
  });
});
