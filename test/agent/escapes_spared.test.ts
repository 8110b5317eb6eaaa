/** Whom no rule for processes outside every slice ends or stops (docs/escapes.md), and who is taken for nobody else. */
import { execFileSync, type ChildProcess } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { GIB, GPU0, GPU1, NOBODY, until, workload } from './agent_process.ts';
import {
  build,
  HELD,
  isPossible,
  lab,
  makeGroup,
  MIA,
  outsider,
  row,
  rowsOf,
  rule,
  spawned,
  startAsNobody,
  stateOf,
  told,
  TOM,
  watch,
} from './escapes_lab.ts';
import fakeControlFile from './fake_mps_control.sh?raw';

describe.skipIf(!isPossible)('who is left alone', () => {
  test('exempt people, and what root runs itself, are left alone, and it says so', async () => {
    await lab.host.start();
    const client = await watch(100);
    await rule(client, { rule: 'end', graceSeconds: 0, exempt: 'mia,unit:dcgm.service' });
    const [mia, own, tom] = [outsider(MIA), outsider(), outsider(TOM)];
    await row(client, mia.pid, { answer: 'exempt', answerWhy: 'mia is exempt' });
    await row(client, own.pid, { answer: 'protected', answerWhy: 'root runs it, in no container' });
    await until('tom’s to end', () => tom.exitCode !== null || tom.signalCode !== null);
    expect([stateOf(mia.pid), stateOf(own.pid)]).not.toContain(null);
    expect(await client.ask('escapes-set', { exempt: 'nobody-of-this-name' })).toMatchObject({
      code: 'unknown-owner',
    });
    expect(await client.ask('escapes-set', { exempt: 'unit:../x' })).toMatchObject({ code: 'unknown-owner' });
    expect(await client.ask('escapes-set', { rule: 'explode' })).toMatchObject({ code: 'bad-request' });
    client.close();
  });

  test.for(['dcgm.service', 'nvidia-persistenced.service'])(
    'what runs in %s is left alone, and what another group calls so is not',
    async (unit, { skip }) => {
      const [mine, other] = [makeGroup(`system.slice/${unit}`), makeGroup(`user.slice/${unit}`)];
      if (!mine || !other) {
        skip('no control group can be made here');
        return;
      }
      await lab.host.start();
      const client = await watch(100);
      await rule(client, { rule: 'end', graceSeconds: 0, exempt: 'unit:dcgm.service' });
      const inGroup = (group: string): ChildProcess => {
        const child = spawned(
          '/bin/sh',
          ['-c', 'read line; exec "$0" notebook --memory "$1"', workload, String(HELD)],
          TOM,
        );
        writeFileSync(join(group, 'cgroup.procs'), String(child.pid));
        child.stdin?.end('\n');
        return child;
      };
      const [spared, ended] = [inGroup(mine), inGroup(other)];
      await row(client, spared.pid, { answer: unit === 'dcgm.service' ? 'exempt' : 'protected' });
      await until('the other to end', () => ended.exitCode !== null || ended.signalCode !== null);
      expect(stateOf(spared.pid)).not.toBeNull();
      expect(told(client, spared.pid)).toEqual([]);
      client.close();
    },
  );

  test('what root began and its user goes on with is its user’s', async () => {
    await lab.host.start();
    const client = await watch(100);
    await rule(client, { rule: 'stop' });
    const child = spawned(build(), ['drops', String(TOM)]);
    await row(client, child.pid, { answer: 'protected' });
    child.kill('SIGUSR1');
    await until('it to stand still', () => stateOf(child.pid) === 'T');
    await until('it to be told', () => told(client, child.pid).length === 2);
    expect(told(client, child.pid)[1]?.['detail']).toContain(' of tom');
    client.close();
  });

  test('a user who hides the memory of a program is not taken for root', async () => {
    await lab.host.start();
    const client = await watch(100);
    await rule(client, { rule: 'stop' });
    const child = spawned(build(), ['hidden'], TOM);
    await until('it to stand still', () => stateOf(child.pid) === 'T');
    client.close();
  });

  test('a process in a slice is never answered: not one that claims its entry late, nor one that only has a GPU open', async () => {
    const at = lab.host.openToOthers();
    await lab.host.start({ bin: at('tranche') });
    const client = await watch(100);
    const { sliceId } = await client.create({ owner: 'tom' });
    await rule(client, { rule: 'end', graceSeconds: 0 });
    const as = { bin: at('tranche'), uid: TOM, options: ['--no-gate'] };
    const [program, node] = [at('tranche-sim-workload'), join(lab.devices, 'nvidia0')];
    const shell = (words: string): readonly string[] => ['/bin/sh', '-c', words, node, program];
    const inside = lab.host.run('one', [program, 'notebook', '--memory', String(GIB)], as);
    const late = lab.host.run('one', shell('exec 3<"$0"; sleep 1; exec "$1" notebook --memory 1000000'), as);
    const holds = lab.host.run('one', shell('exec 3<"$0"; while :; do sleep 1; done'), as);
    const outside = outsider(TOM);
    await row(client, holds.pid, { seenBy: 'kernel', answer: 'waiting' });
    await until('who is outside to end', () => outside.exitCode !== null || outside.signalCode !== null);
    await row(client, late.pid, { sliceId });
    for (const child of [inside, late, holds]) expect(stateOf(child.pid)).not.toBeNull();
    const rows = client.lines.filter((line) => line['ev'] === 'sample').flatMap(rowsOf);
    expect(rows.filter((one) => one['pid'] === inside.pid && 'seenBy' in one)).toEqual([]);
    expect(rows.filter((one) => one['pid'] === late.pid && 'seenBy' in one)).toEqual([]);
    client.close();
  });

  test('a slice on one GPU is none on another', async () => {
    const bin = lab.host.openToOthers()('tranche');
    await lab.host.start({ bin });
    const client = await watch(100);
    const { sliceId } = await client.create({ owner: 'tom' });
    await rule(client, { rule: 'stop' });
    // Behind the gate and without the library, which would have refused it the other GPU.
    const words = ['env', '-u', 'LD_PRELOAD', '-u', 'CUDA_VISIBLE_DEVICES', build(), 'both'];
    lab.host.run('one', words, { bin, uid: TOM, options: ['--gate'] });
    const sample = await client.event('sample', (line) =>
      rowsOf(line).some((one) => one['answer'] === 'stopped'),
    );
    const pid = rowsOf(sample).find((one) => one['answer'] === 'stopped')?.['pid'];
    expect(rowsOf(sample).filter((one) => one['pid'] === pid)).toMatchObject([
      { gpuUuid: GPU1, sliceId: null, reason: 'outside' },
      { gpuUuid: GPU0, sliceId },
    ]);
    expect(rowsOf(sample).filter((one) => one['pid'] === pid && 'seenBy' in one)).toHaveLength(1);
    client.close();
  });

  test('names of a slice in the environment alone put nobody into it', async () => {
    await lab.host.start();
    const client = await watch(100);
    const { sliceId } = await client.create({ owner: 'tom' });
    await rule(client, { rule: 'end', graceSeconds: 0 });
    const child = outsider(TOM, {
      TRANCHE_SLICES: String(sliceId),
      TRANCHE_GATED: '1',
      TRANCHE_RUNTIME_DIR: lab.root.path,
    });
    await until('it to end', () => child.exitCode !== null || child.signalCode !== null);
    await until('it to be told', () => told(client, child.pid).length === 1);
    client.close();
  });

  test('what the agent has started itself is left alone', async () => {
    const at = await startAsNobody((bin) => {
      const fake = join(lab.root.path, 'fake');
      mkdirSync(fake);
      // Its daemon is a program on the GPU: what a server of it would be.
      const program = `exec ${bin('tranche-sim-workload')} notebook --memory ${String(HELD)}`;
      writeFileSync(
        join(fake, 'nvidia-cuda-mps-control'),
        fakeControlFile.replaceAll('exec tail -f /dev/null', program),
      );
      chmodSync(join(fake, 'nvidia-cuda-mps-control'), 0o755);
      execFileSync('chown', ['-R', String(NOBODY), fake]); // the agent runs nothing of a folder of others
      lab.root.env['FAKE_MPS'] = fake;
      lab.root.env['PATH'] = `${fake}:${String(process.env['PATH'])}`;
    });
    const client = await watch(100);
    await rule(client, { rule: 'end', graceSeconds: 0 });
    expect(await client.ask('gpu-concurrent', { gpuUuid: GPU0, concurrent: true })).toMatchObject({
      ok: true,
    });
    const other = spawned(at('tranche-sim-workload'), ['notebook', '--memory', '1000000'], NOBODY);
    const line = await client.event('sample', (sample) =>
      rowsOf(sample).some((one) => one['answer'] === 'protected'),
    );
    const daemon = rowsOf(line).find((one) => one['answer'] === 'protected')?.['pid'] as number;
    await until('the other to end', () => other.exitCode !== null || other.signalCode !== null);
    expect(stateOf(daemon)).not.toBeNull();
    expect(told(client, daemon)).toEqual([]);
    await client.ask('gpu-concurrent', { gpuUuid: GPU0, concurrent: false });
    await until('its end', () => stateOf(daemon) === null);
    client.close();
  });
});
