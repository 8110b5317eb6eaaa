/** What is done with processes outside every slice (docs/escapes.md), by the rule of the host. */
import { type ChildProcess } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { sampleEventSchema } from '../../model/agent-protocol.ts';
import { GIB, GPU1, until, workload, type Line } from './agent_process.ts';
import {
  audits,
  build,
  CONTEXT_BYTES,
  HELD,
  isPossible,
  lab,
  MIA,
  outsider,
  row,
  rule,
  spawned,
  stateOf,
  told,
  TOM,
  watch,
} from './escapes_lab.ts';

/** ESCAPE_TOLD_MAX */
const TOLD_MAX = 10;

describe.skipIf(!isPossible)('the rule for processes outside every slice', () => {
  test('charge: its bytes are its owner’s slice’s, which then has no room for more', async () => {
    await lab.host.start();
    const client = await watch(100);
    await client.create({ memoryLimitBytes: 3 * GIB, owner: 'tom' });
    await rule(client, { rule: 'charge' });
    const [tom, mia] = [outsider(TOM), outsider(MIA)];
    await row(client, tom.pid, { answer: 'charged', answerWhy: 'charged to one' });
    await row(client, mia.pid, { answer: 'reported', answerWhy: 'its owner has no slice there' });
    const charged = (line: Line): boolean =>
      (line['slices'] as Line[])[0]?.['residueBytes'] === HELD + CONTEXT_BYTES &&
      (line['slices'] as Line[])[0]?.['memoryUsedBytes'] === HELD + CONTEXT_BYTES &&
      Number((line['gpus'] as Line[])[0]?.['unmanagedBytes']) < 2 * HELD;
    await client.event('sample', charged);
    const greedy = lab.host.run('one', [workload, 'notebook', '--memory', String(GIB), '--seconds', '1']);
    await until('the end of a program that found no room', () => greedy.exitCode);
    await client.event('sample', (line) => Number((line['slices'] as Line[])[0]?.['deniedAllocations']) > 0);
    tom.kill('SIGKILL');
    await client.event('sample', (line) => (line['slices'] as Line[])[0]?.['residueBytes'] === 0);
    expect(told(client, tom.pid)[0]?.['detail']).toContain('charged to one');
    client.close();
  });

  test('charge: to the largest of its owner’s slices, and to none of another GPU', async () => {
    await lab.host.start();
    const client = await watch(100);
    await client.create({ name: 'small', memoryLimitBytes: GIB, owner: 'tom' });
    const { sliceId } = await client.create({ name: 'large', memoryLimitBytes: 2 * GIB, owner: 'tom' });
    await client.create({ name: 'there', memoryLimitBytes: 8 * GIB, owner: 'tom', gpuUuid: GPU1 });
    await rule(client, { rule: 'charge' });
    const child = outsider(TOM);
    await row(client, child.pid, { answer: 'charged', answerWhy: 'charged to large' });
    // More than it was granted: then it is full, and the line is still one that is taken.
    const sample = await client.event('sample', (line) =>
      (line['slices'] as Line[]).some((one) => one['id'] === sliceId && Number(one['residueBytes']) >= HELD),
    );
    expect(
      sampleEventSchema
        .parse(sample)
        .slices.map((one) => Number(one.residueBytes) > 0)
        .sort(),
    ).toEqual([false, false, true]);
    client.close();
  });

  test('one person’s processes are told so often in a minute, and then counted', async () => {
    await lab.host.start();
    const client = await watch(100);
    const many = Array.from({ length: TOLD_MAX + 3 }, () =>
      spawned(workload, ['notebook', '--memory', '1000000'], TOM),
    );
    for (const child of many) await row(client, child.pid, { answer: 'reported' });
    expect(audits(client)).toHaveLength(TOLD_MAX);
    const other = outsider(MIA);
    await until('another person’s to be told', () => told(client, other.pid).length === 1);
    client.close();
  });

  test('stop: it stands still, again when it goes on by itself, and an operator lets it go on', async () => {
    await lab.host.start();
    const client = await watch(100);
    await rule(client, { rule: 'stop' });
    const child = outsider(TOM);
    await until('it to stand still', () => stateOf(child.pid) === 'T');
    await row(client, child.pid, { answer: 'stopped' });
    child.kill('SIGCONT');
    await until(
      'it to stand still again',
      () => told(client, child.pid).length === 2 && stateOf(child.pid) === 'T',
    );
    expect(lab.host.tranche(['escapes', 'continue', String(child.pid)]).status).toBe(0);
    await row(client, child.pid, { answer: 'released' });
    expect(stateOf(child.pid)).not.toBe('T');
    expect(told(client, child.pid)).toHaveLength(2);
    client.close();
  });

  test('stop: with another rule they go on', async () => {
    await lab.host.start();
    const client = await watch(100);
    await rule(client, { rule: 'stop' });
    const child = outsider(TOM);
    await until('it to stand still', () => stateOf(child.pid) === 'T');
    await rule(client, { rule: 'report' });
    await until('it to go on', () => stateOf(child.pid) !== 'T');
    client.close();
  });

  test('stop: one whose user is exempt from now on goes on', async () => {
    await lab.host.start();
    const client = await watch(100);
    await rule(client, { rule: 'stop' });
    const child = outsider(TOM);
    await until('it to stand still', () => stateOf(child.pid) === 'T');
    await rule(client, { exempt: 'tom' });
    await until('it to go on', () => stateOf(child.pid) !== 'T');
    await row(client, child.pid, { answer: 'exempt' });
    client.close();
  });

  test('end: SIGTERM, and SIGKILL after the grace for who does not go', async () => {
    await lab.host.start();
    const client = await watch(100);
    await rule(client, { rule: 'end', graceSeconds: 2 });
    const polite = outsider(TOM);
    const stubborn = spawned(build(), ['stubborn'], MIA);
    await until('the polite one to end', () => polite.exitCode !== null || polite.signalCode !== null);
    await row(client, stubborn.pid, { answer: 'ending' });
    const began = performance.now();
    expect(stateOf(stubborn.pid)).not.toBeNull();
    await until('the stubborn one to end', () => stubborn.signalCode === 'SIGKILL');
    expect(performance.now() - began).toBeGreaterThan(1_000);
    expect(told(client, stubborn.pid).map(({ detail }) => String(detail).split(':')[0])).toEqual([
      'It was told to end (SIGTERM), and is killed in 2 s',
      'It was killed (SIGKILL) after its time to end',
    ]);
    client.close();
  });

  test('the rule outlives the agent, and one that was changed on disk is reported and said', async () => {
    const first = await lab.host.start();
    expect(lab.host.tranche(['escapes', 'end', '--grace', '7', '--exempt', 'tom']).stdout).toContain(
      'end, 7 s after SIGTERM. Exempt: tom.',
    );
    await first.stop();
    const second = await lab.host.start();
    expect(lab.host.tranche(['escapes']).stdout).toContain('end, 7 s after SIGTERM. Exempt: tom.');
    await second.stop();
    const path = join(lab.root.path, 'root/state/escapes');
    writeFileSync(path, readFileSync(path, 'utf8').replace('"end"', '"stop"'));
    await lab.host.start();
    expect(lab.host.tranche(['escapes']).stdout).toContain('slice: report. Exempt: nobody.');
    expect(lab.host.tranche(['doctor']).stdout).toContain('is damaged: they are reported');
  });

  test('whoever is no operator sets no rule and lets nothing go on', async () => {
    await lab.host.start();
    const client = await watch(100);
    await rule(client, { rule: 'stop' });
    const child = outsider(TOM);
    await until('it to stand still', () => stateOf(child.pid) === 'T');
    for (const args of [
      ['escapes', 'report'],
      ['escapes', 'continue', String(child.pid)],
    ]) {
      const asked = lab.host.tranche(args, { uid: TOM });
      expect(asked.status).not.toBe(0);
      expect(asked.stderr).toContain('may use slices that you own');
    }
    expect(stateOf(child.pid)).toBe('T');
    client.close();
  });
});

/** Of this pid, which is free: the kernel gives the next one after the last. null: others were faster each time. */
function spawnedAs(pid: number, start: () => ChildProcess): ChildProcess | null {
  for (let tries = 0; tries < 50; tries++) {
    writeFileSync('/proc/sys/kernel/ns_last_pid', String(pid - 1));
    const child = start();
    if (child.pid === pid) return child;
    child.kill('SIGKILL');
  }
  return null;
}

describe.skipIf(!isPossible)('whose process it is', () => {
  test('a pid that is given to another process gives it nothing of the first one’s answer', async ({
    skip,
  }) => {
    await lab.host.start();
    const first = await watch(100);
    await rule(first, { rule: 'end', graceSeconds: 3 });
    const binary = build();
    const before = spawned(binary, ['stubborn'], TOM);
    await row(first, before.pid, { answer: 'ending' });
    before.kill('SIGKILL');
    await until('its end', () => before.signalCode !== null);
    const began = performance.now();
    const after = spawnedAs(before.pid ?? 0, () => spawned(binary, ['stubborn'], MIA));
    if (!after) {
      skip('no process could be given the pid of another one');
      return;
    }
    const second = await watch(100);
    await row(second, after.pid, { answer: 'ending', user: 'mia' });
    await until('its end', () => after.signalCode === 'SIGKILL');
    expect(performance.now() - began).toBeGreaterThan(3_500);
    first.close();
    second.close();
  });
});
