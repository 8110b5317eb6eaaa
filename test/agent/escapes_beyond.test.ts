/** Gated programs that the driver shows to hold more than was counted (docs/escapes.md). */
import { describe, expect, test } from 'vitest';
import { GIB, until, type Line } from './agent_process.ts';
import {
  audits,
  build,
  CONTEXT_BYTES,
  HELD,
  isPossible,
  lab,
  rowsOf,
  rule,
  stateOf,
  TOM,
  watch,
} from './escapes_lab.ts';

describe.skipIf(!isPossible)('a gated program that holds more than was counted', () => {
  test('a gated program that holds more than was counted is one, too, though it is in its slice', async () => {
    const bin = lab.host.openToOthers()('tranche');
    await lab.host.start({ bin });
    const client = await watch(100);
    const { sliceId } = await client.create({ owner: 'tom', memoryLimitBytes: GIB });
    await rule(client, { rule: 'stop' });
    const words = ['env', '-u', 'LD_PRELOAD', build()];
    const honest = lab.host.run('one', words, { bin, uid: TOM, options: ['--gate'] });
    const raced = lab.host.run('one', [...words, 'managed'], { bin, uid: TOM, options: ['--gate'] });
    const beyond = await client.event('sample', (line) =>
      rowsOf(line).some((one) => one['reason'] === 'beyond-count' && one['answer'] === 'stopped'),
    );
    const rows = rowsOf(beyond).filter((one) => 'reason' in one);
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatchObject({ sliceId, seenBy: 'both', memoryUsedBytes: HELD + CONTEXT_BYTES });
    expect(rows[0]?.['pid']).not.toBe(raced.pid); // that stands for it
    expect(audits(client, 'beyond-count')[0]).toMatchObject({ sliceId });
    expect(stateOf(honest.pid)).not.toBe('T');
    expect(lab.host.tranche(['ls']).stdout).toContain('(beyond its count)');
    client.close();
  });

  test.each(['report', 'end'])('within its slice’s limit is charged and told (rule: %s)', async (name) => {
    const bin = lab.host.openToOthers()('tranche');
    await lab.host.start({ bin });
    const client = await watch(100);
    const { sliceId } = await client.create({ owner: 'tom', memoryLimitBytes: 3 * GIB });
    await rule(client, { rule: name, graceSeconds: 0 });
    const words = ['env', '-u', 'LD_PRELOAD', build()];
    const raced = lab.host.run('one', [...words, 'managed'], { bin, uid: TOM, options: ['--gate'] });
    const sample = await client.event('sample', (line) =>
      rowsOf(line).some((one) => one['reason'] === 'beyond-count'),
    );
    const beyond = rowsOf(sample).find((one) => one['reason'] === 'beyond-count');
    expect(beyond).toMatchObject({
      sliceId,
      gated: true,
      answerWhy: 'charged to one, as the driver shows it',
    });
    expect((sample['slices'] as Line[])[0]).toMatchObject({ memoryUsedBytes: HELD + CONTEXT_BYTES });
    const record = await client.event(
      'audit',
      (line) => (line['record'] as Line)['action'] === 'beyond-count',
    );
    expect(record['record']).toMatchObject({ sliceId });
    const greedy = lab.host.run('one', words, { bin, uid: TOM, stdio: 'pipe', options: ['--gate'] });
    let said = '';
    greedy.stdout?.on('data', (text: Buffer) => (said += text.toString()));
    await until('what it took', () => said !== '' || greedy.exitCode !== null);
    expect(said).not.toContain('took 0');
    expect(raced.exitCode).toBeNull();
    expect(audits(client, 'beyond-count')).toHaveLength(1);
    client.close();
  });
});
