/** Quotas: whose holds for whom, what they refuse, what they let pass, and that they outlive the agent. */
import { spawnSync } from 'node:child_process';
import { appendFileSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { auditReplySchema, stateEventSchema } from '../../model/agent-protocol.ts';
import {
  Client,
  GIB,
  GPU1,
  hasSim,
  isRoot,
  NOBODY,
  TestHost,
  type Line,
  type Root,
} from './agent_process.ts';

let host: TestHost;
let root: Root;
let client: Client;

/** People and groups that exist on this simulated host only. */
beforeEach(async () => {
  host = new TestHost();
  root = host.root;
  host.people({ tom: 4100, wei: 4101, lab: 4102, rita: 4103 }, [
    'students:x:4200:tom,wei',
    'thesis:x:4201:wei',
    'empty:x:4202:',
  ]);
  await host.start();
  client = await Client.open(root);
});

afterEach(() => {
  client.close();
  return host.end();
});

const quota = (subject: string, gib: number | null, slicesMax: number | null): Promise<Line> =>
  client.ask('quota-set', { subject, memoryBytesMax: gib === null ? null : gib * GIB, slicesMax });
const create = (owner: string, gib: number, fields: Line = {}): Promise<Line> =>
  client.create({ memoryLimitBytes: gib * GIB, owner, name: null, ...fields });
const cli = (...args: string[]) => host.tranche(args);

describe.skipIf(!hasSim)('quotas', () => {
  test('hold over all GPUs of the host, with figures in the refusal, and let nobody else feel them', async () => {
    expect(await quota('tom', 40, null)).toMatchObject({ ok: true });
    const first = await create('tom', 30);
    expect(first).toMatchObject({ ok: true });
    expect(await create('tom', 11, { gpuUuid: GPU1 })).toMatchObject({
      code: 'quota-exceeded',
      message: expect.stringContaining(
        'tom holds 30.0 GiB in 1 other slice on this host; with 11.0 GiB more it would be beyond the 40.0 GiB that tom may hold',
      ),
    });
    expect(await create('tom', 10, { gpuUuid: GPU1 })).toMatchObject({ ok: true });
    const grow = (fields: Line): Promise<Line> =>
      client.ask('slice-resize', { sliceId: first['sliceId'], ...fields });
    expect(await grow({ memoryLimitBytes: 31 * GIB })).toMatchObject({ code: 'quota-exceeded' });
    expect(await grow({ computeLimitPercent: 80 })).toMatchObject({ ok: true });
    const wei = await create('wei', 20);
    expect(wei).toMatchObject({ ok: true });
    // To be given something counts like making it.
    const give = { sliceId: wei['sliceId'], revision: 1, owner: 'tom' };
    expect(await client.ask('slice-assign', give)).toMatchObject({ code: 'quota-exceeded' });
  });

  test('the one that is set for a person goes before that of a group, which goes before the default', async () => {
    await quota('default', 8, null);
    await quota('@students', 16, 2);
    await quota('@thesis', 32, 1);
    await quota('rita', null, null);
    expect(await create('lab', 9)).toMatchObject({ code: 'quota-exceeded' });
    expect(await create('lab', 8)).toMatchObject({ ok: true });
    expect(await create('tom', 17)).toMatchObject({
      code: 'quota-exceeded',
      message: expect.stringContaining('that each member of students may hold'),
    });
    expect(await create('tom', 8)).toMatchObject({ ok: true });
    expect(await create('tom', 4)).toMatchObject({ ok: true });
    expect(await create('tom', 1)).toMatchObject({
      code: 'quota-exceeded',
      message: expect.stringContaining('beyond the 2 slices'),
    });
    // Of two groups the one that allows more memory, whole: one slice of 32 GiB.
    expect(await create('wei', 32)).toMatchObject({ ok: true });
    expect(await create('wei', 1)).toMatchObject({
      message: expect.stringContaining('each member of thesis'),
    });
    expect(await create('rita', 70)).toMatchObject({ ok: true });
    await client.ask('subscribe', { sampleIntervalMs: 60000 });
    const state = stateEventSchema.parse(await client.event('state'));
    expect(state.quotas).toHaveLength(4);
    const of = Object.fromEntries(state.people.map((person) => [person.name, person.quota]));
    expect(of).toMatchObject({ tom: '@students', wei: '@thesis', lab: 'default', rita: 'rita' });
  });

  test('what is beyond one may shrink and stay, and be exceeded on purpose, which the audit says', async () => {
    const big = await create('tom', 40);
    await quota('tom', 16, 1);
    const resize = (gib: number, fields: Line = {}): Promise<Line> =>
      client.ask('slice-resize', { sliceId: big['sliceId'], memoryLimitBytes: gib * GIB, ...fields });
    const shrunk = await resize(30);
    expect(shrunk).toMatchObject({ ok: true });
    const rename = { sliceId: big['sliceId'], revision: shrunk['revision'], name: 'big' };
    const renamed = await client.ask('slice-rename', rename);
    expect(renamed).toMatchObject({ ok: true });
    const move = { sliceId: big['sliceId'], revision: renamed['revision'], gpuUuid: GPU1 };
    const moved = await client.ask('slice-move', move);
    expect(moved).toMatchObject({ ok: true });
    expect(await client.ask('undo', { undoToken: moved['undoToken'] })).toMatchObject({ ok: true });
    expect(await resize(31)).toMatchObject({ code: 'quota-exceeded' });
    const again = await resize(31, { overQuota: true });
    expect(again).toMatchObject({ ok: true });
    const gone = await client.ask('slice-delete', { sliceId: big['sliceId'], revision: again['revision'] });
    // It is new to him again.
    expect(await client.ask('undo', { undoToken: gone['undoToken'] })).toMatchObject({
      code: 'quota-exceeded',
    });
    expect(await client.ask('undo', { undoToken: gone['undoToken'], overQuota: true })).toMatchObject({
      ok: true,
    });
    const { records } = auditReplySchema.parse(await client.ask('audit', {}));
    expect(records.slice(0, 3).map(({ action, detail }) => [action, detail])).toEqual([
      ['undo', 'over the quota'],
      ['slice-delete', null],
      ['slice-resize', 'over the quota'],
    ]);
    expect(records.find(({ action }) => action === 'quota-set')).toMatchObject({
      detail: 'quota of tom: 16.0 GiB, 1 slice',
    });
  });

  test('outlive the agent; a line that was damaged is left out, the others hold', async () => {
    await quota('tom', 8, null);
    await quota('default', 4, 3);
    client.close();
    await host.agent?.stop('SIGKILL');
    const file = join(root.path, 'root/state/quotas');
    expect(readFileSync(file, 'utf8').split('\n')).toHaveLength(3);
    appendFileSync(file, '{"subject":"wei","memoryBytesMax":"x"}\n{"subj');
    const agent = await host.start();
    expect(agent.log().match(/a line is not right/g)).toHaveLength(2);
    client = await Client.open(root);
    expect(await create('tom', 9)).toMatchObject({ code: 'quota-exceeded' });
    expect(await create('wei', 5)).toMatchObject({ code: 'quota-exceeded' });
    expect(await client.ask('quota-set', { subject: 'default', remove: true })).toMatchObject({ ok: true });
    expect(await create('wei', 5)).toMatchObject({ ok: true });
  });

  test('are not in force where they could not be written', async () => {
    mkdirSync(join(root.path, 'root/state/quotas.tmp/in-the-way'), { recursive: true });
    expect(await quota('tom', 1, 1)).toMatchObject({ code: 'state-not-saved' });
    expect(await create('tom', 9)).toMatchObject({ ok: true });
  });

  test.skipIf(!isRoot)('are set by operators alone; who may not is refused and in the audit', async () => {
    await quota('tom', 8, null);
    spawnSync('chmod', ['-R', 'go+rX', root.path]);
    const ask = '{"id":1,"op":"quota-set","subject":"tom","remove":true}\n{"id":2,"op":"hours"}\n';
    const run = host.tranche(['attach', 'x'], { input: ask, uid: NOBODY });
    const replies = run.stdout
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Line);
    expect(replies).toMatchObject([
      { id: 1, code: 'not-permitted' },
      { id: 2, ok: true },
    ]);
    expect(await create('tom', 9)).toMatchObject({ code: 'quota-exceeded' });
    const { records } = auditReplySchema.parse(await client.ask('audit', {}));
    expect(records[0]).toMatchObject({ action: 'quota-set', refusal: 'not-permitted', uid: NOBODY });
  });

  test('on the command line: set, shown with what is held, taken away, exceeded on purpose', async () => {
    expect(cli('quota').stdout).toContain('No quota is set');
    expect(cli('quota', 'tom', '--memory', '40g').status).toBe(0);
    expect(cli('quota', 'tom', '--slices', '2').status).toBe(0); // and the memory stays as it was
    expect(cli('quota', '@students', '--memory', 'none', '--slices', '0').status).toBe(0);
    await create('tom', 30);
    const shown = cli('quota').stdout;
    expect(shown).toMatch(/tom +40\.0 GiB +2 slices\n/);
    expect(shown).toMatch(/@students +any memory +0 slices\n/);
    expect(shown).toMatch(/tom +holds 30\.0 GiB of 40\.0 GiB in 1 of 2 slices \(tom\)/);
    const args = ['slice', 'create', '--gpu', '0', '--memory', '20g', '--compute', '10', '--owner', 'tom'];
    expect(cli(...args).stderr).toContain('beyond the 40.0 GiB');
    expect(cli(...args, '--over-quota').status).toBe(0);
    expect(cli('quota', 'tom', '--remove').status).toBe(0);
    expect(cli('quota', 'tom').stdout).toContain('No quota is set for tom itself');
    expect(cli('quota', '@none-such', '--memory', '1g').stderr).toContain('There is no group none-such');
    expect(cli('quota', '--memory', '1g').stderr).toContain('say for whom');
  });
});
