/** The limit that a driver keeps itself, by a slice’s control group: what it holds, and that it moves with the slice. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Client, GIB, GPU0, GPU1, repo, until, workload } from './agent_process.ts';
import { sampleWith, stateWith } from './events.ts';
import {
  hasKernel,
  LimitsHost,
  LimitsTool,
  NO_LIMIT,
  noLimits,
  OUT_OF_MEMORY,
  standing,
} from './limits_host.ts';

const MIB = 2 ** 20;
const STORM_MS = 60_000;
/** Before the agent would compare again by itself. */
const SOON_MS = 5000;
const ROUNDS = 20;
const KILLS = 50;

let tool: LimitsTool;
let at: LimitsHost;

beforeAll(() => {
  tool = new LimitsTool();
});
afterAll(() => {
  tool.remove();
});
beforeEach(() => {
  at = new LimitsHost(tool);
});
afterEach(() => at.end());

const resized = (
  client: Client,
  id: string,
  fields: Record<string, unknown>,
): Promise<Record<string, unknown>> => client.ask('slice-resize', { sliceId: id, ...fields });

describe.skipIf(noLimits !== null)(
  `limits that the driver keeps${noLimits === null ? '' : ` (skipped: ${noLimits})`}`,
  () => {
    test('a program without our library is refused at the limit, and told of it', async () => {
      const { client, id } = await at.openHard();
      expect(at.limits(id)).toEqual({ result: 0, soft: '0', hard: String(GIB), used: 0 });
      const [result, taken = 0, total, free = 0] = await at.take('one', 8 * GIB).said();
      expect([result, total]).toEqual([OUT_OF_MEMORY, GIB]);
      expect(free).toBeLessThan(32 * MIB);
      const { used } = at.limits(id);
      expect(used).toBeLessThanOrEqual(GIB);
      expect(used).toBeGreaterThanOrEqual(taken);
      // On the other GPU it gets nothing, whatever it says in its environment.
      const [elsewhere, got] = await at.take('one', GIB, 'take', [`CUDA_VISIBLE_DEVICES=${GPU1}`]).said();
      expect([elsewhere, got]).toEqual([OUT_OF_MEMORY, 0]);
      client.close();
    });

    test('is said: of slice, driver and process, in doctor and in ls', async () => {
      const { client } = await at.openHard();
      const state = await stateWith(client, 'it', (s) => standing(s) === 'proved');
      expect(state.backends?.[0]?.kernelLimitNote).toContain('a program was refused at its group’s limit');
      at.host.run('one', [workload, 'notebook', '--memory', String(256 * MIB), '--seconds', '60'], {
        options: ['--no-gate'],
      });
      const inside = await sampleWith(client, ({ slices }) => (slices[0]?.memoryUsedBytes ?? 0) > 256 * MIB);
      expect(inside.slices[0]).toMatchObject({ ungatedCount: 0 });
      expect(inside.processes.find(({ sliceId }) => sliceId !== null)?.gated).toBe(true);
      expect(at.host.tranche(['doctor', '--json']).stdout).toContain('"kernel-limit"');
      expect(at.host.tranche(['ls']).stdout).toContain('hard (kernel)');
      client.close();
    });

    test('one that was put into the slice by its environment alone is counted as not held', async () => {
      const { client } = await at.openHard();
      const env = at.host.tranche(['env', '--slice', 'one']).stdout;
      const program = `${workload} notebook --memory ${String(64 * MIB)} --seconds 60`;
      at.host.keep(
        spawn('sh', ['-c', `eval "$1"; exec ${program}`, 'sh', env], {
          env: at.root.env,
          stdio: 'ignore',
        }),
      );
      const seen = await sampleWith(client, ({ slices }) => slices[0]?.ungatedCount === 1);
      expect(seen.processes.find(({ sliceId }) => sliceId !== null)?.gated).toBe(false);
      client.close();
    });

    test('moves with the slice: resized, undone, moved, deleted, brought back', async () => {
      const { client, id } = await at.openHard();
      const grown = await resized(client, id, { memoryLimitBytes: 2 * GIB });
      expect(at.limits(id).hard).toBe(String(2 * GIB));
      expect(await client.ask('undo', { undoToken: grown['undoToken'] })).toMatchObject({ ok: true });
      expect(at.limits(id).hard).toBe(String(GIB));
      const moved = await client.ask('slice-move', { sliceId: id, revision: 3, gpuUuid: GPU1 });
      expect(moved).toMatchObject({ ok: true });
      expect([at.limits(id).hard, at.limits(id, GPU1).hard]).toEqual(['0', String(GIB)]);
      expect(await client.ask('undo', { undoToken: moved['undoToken'] })).toMatchObject({ ok: true });
      expect([at.limits(id).hard, at.limits(id, GPU1).hard]).toEqual([String(GIB), '0']);
      const deleted = await client.ask('slice-delete', { sliceId: id, revision: 5 });
      await until('its group to go', () => !at.groups.scopes().includes(id));
      expect(await client.ask('undo', { undoToken: deleted['undoToken'] })).toMatchObject({ ok: true });
      expect(at.limits(id).hard).toBe(String(GIB));
      client.close();
    });

    test('a shrink below use holds what is there, and is made as it falls', async () => {
      const { client, id } = await at.openHard();
      const first = at.take('one', 512 * MIB);
      expect((await first.said())[0]).toBe(0);
      const held = at.limits(id).used;
      expect(await resized(client, id, { memoryLimitBytes: 256 * MIB })).toMatchObject({ ok: true });
      expect(Number(at.limits(id).hard)).toBe(held);
      expect((await at.take('one', GIB).said())[0]).toBe(OUT_OF_MEMORY);
      first.child.kill('SIGKILL');
      await until(
        'the limit to be as low as was asked',
        () => at.limits(id).hard === String(256 * MIB),
        SOON_MS,
      );
      client.close();
    });

    test('a driver that does not take the new one refuses the edit, and all is as it was', async () => {
      const { client, id } = await at.openHard();
      at.bend('limits-refused');
      for (const memoryLimitBytes of [2 * GIB, 512 * MIB]) {
        const refused = await resized(client, id, { memoryLimitBytes });
        expect(refused).toMatchObject({ ok: false, code: 'kernel-limit-refused' });
        expect(String(refused['message'])).toContain('left as they were');
      }
      at.straighten('limits-refused');
      expect(at.limits(id).hard).toBe(String(GIB));
      const state = await stateWith(client, 'the slice', ({ slices }) => slices.length === 1);
      expect(state.slices[0]).toMatchObject({ memoryLimitBytes: GIB, revision: 1 });
      // The pages, too: a program with our library is refused at the old limit.
      const own = at.host.run('one', [
        workload,
        'notebook',
        '--memory',
        String(700 * MIB),
        '--seconds',
        '60',
      ]);
      await sampleWith(client, ({ slices }) => (slices[0]?.memoryUsedBytes ?? 0) > 700 * MIB);
      expect(own.exitCode).toBeNull();
      client.close();
    });

    test('what somebody else sets is put back, a reservation too', async () => {
      const { client, id } = await at.openHard();
      at.limits(id, GPU0, [String(512 * MIB), String(8 * GIB)]);
      at.limits(id, GPU1, ['0', NO_LIMIT]);
      await until(
        'both to be put back',
        () => at.limits(id).hard === String(GIB) && at.limits(id, GPU1).hard === '0',
        20_000,
      );
      expect(at.limits(id).soft).toBe('0');
      client.close();
    });

    test('a group that was removed comes back with its limit, before a program is in it', async () => {
      const { client, id } = await at.openHard();
      rmdirSync(at.groups.scope(id));
      const [result] = await at.take('one', 8 * GIB).said();
      expect(result).toBe(OUT_OF_MEMORY);
      expect(at.limits(id)).toMatchObject({ hard: String(GIB) });
      client.close();
    });

    test('a slice that is not open admits nothing', async () => {
      const { client, id } = await at.openHard();
      await resized(client, id, { startsAtMs: Date.now() + 3_600_000 });
      expect(at.limits(id).hard).toBe('0');
      await resized(client, id, { startsAtMs: null });
      expect(at.limits(id).hard).toBe(String(GIB));
      client.close();
    });

    test('a group that goes leaves no reservation behind, whoever made it', async () => {
      const { client, id } = await at.openHard();
      client.close();
      await at.host.agent?.stop('SIGKILL');
      mkdirSync(at.groups.scope('s-00000000deadbeef')); // of a slice that was deleted meanwhile
      at.limits('s-00000000deadbeef', GPU1, [String(GIB), String(2 * GIB)]);
      at.limits(id, GPU0, [String(512 * MIB), String(GIB)]);
      await at.host.start();
      await until('the group to go', () => !at.groups.scopes().includes('s-00000000deadbeef'));
      const again = await Client.open(at.root);
      await again.ask('slice-delete', { sliceId: id, revision: 1 });
      await until('the other one to go', () => at.groups.scopes().length === 0);
      expect(at.stale()).toBe(0);
      again.close();
    });

    test('the last program of a deleted slice gets no more, and its group stays as long', async () => {
      const { client, id } = await at.openHard();
      const last = at.take('one', 256 * MIB);
      await last.said();
      const deleted = await client.ask('slice-delete', { sliceId: id, revision: 1, withProcesses: true });
      expect(deleted).toMatchObject({ ok: true });
      await until('nothing more to be given', () => Number(at.limits(id).hard) <= at.limits(id).used);
      last.child.kill('SIGKILL');
      await until('the group to go', () => !at.groups.scopes().includes(id));
      expect(at.stale()).toBe(0);
      client.close();
    });

    test(
      '1,000 programs and 20 agents killed with -9: nothing stays charged or reserved, and the limit holds',
      async () => {
        const { client, id } = await at.openHard();
        client.close();
        let worst = 0;
        for (let round = 0; round < ROUNDS; round++) {
          const { text } = at.runTool('one', ['storm', String(KILLS), String(2 * GIB)]);
          await until('the first of them', () => text().startsWith('begun\n'), STORM_MS);
          await at.host.agent?.stop('SIGKILL');
          await at.host.start();
          await until('all of them', () => text().split('\n').length > 2, STORM_MS);
          const [refused, most = 0] = text().slice('begun\n'.length).trim().split(' ').map(Number);
          expect(refused).toBe(KILLS);
          worst = Math.max(worst, most);
        }
        expect(worst).toBeLessThanOrEqual(GIB);
        await until('what they held to be given back', () => at.limits(id).used === 0);
        expect(at.limits(id)).toMatchObject({ soft: '0', hard: String(GIB) });
        const again = await Client.open(at.root);
        await again.ask('slice-delete', { sliceId: id, revision: 1 });
        await until('the group to go', () => at.groups.scopes().length === 0);
        expect(at.stale()).toBe(0);
        again.close();
      },
      4 * STORM_MS,
    );

    test('managed memory is not counted by it', async () => {
      const { client, id } = await at.openHard();
      const [result] = await at.take('one', 2 * GIB, 'managed').said();
      expect(result).toBe(0);
      expect(at.limits(id).used).toBeLessThan(GIB);
      client.close();
    });

    test('run starts nothing outside of the group, also without an agent; and in one slice at a time', async () => {
      const { client } = await at.openHard();
      await client.create({ name: 'two', gpuUuid: GPU1, memoryLimitBytes: GIB });
      await stateWith(client, 'both', (state) => state.slices.length === 2 && hasKernel(state));
      const both = ['run', '--slice', 'one', '--slice', 'two', '--', 'true'];
      expect(at.host.tranche(both).stderr).toContain('have the gate of these slices set to off');
      const inside = spawnSync(
        'unshare',
        [
          '--pid',
          '--fork',
          '--mount-proc',
          '--',
          '/bin/sh',
          '-c',
          `${join(repo, 'build/agent/x86_64/tranche')} run --slice one -- echo ran`,
        ],
        { env: at.root.env, encoding: 'utf8', timeout: 20_000 },
      );
      expect([inside.status, inside.stdout]).toEqual([125, '']);
      expect(inside.stderr).toContain('so nothing was started');
      for (const name of ['one', 'two'])
        expect(at.host.tranche(['slice', 'resize', name, '--gate', 'off']).status).toBe(0);
      const state = await stateWith(client, 'off', ({ slices }) =>
        slices.every(({ gate }) => gate === 'off'),
      );
      expect(state.slices.map(({ enforcement }) => enforcement)).toEqual(['cooperative', 'cooperative']);
      expect(at.host.tranche(both).status).toBe(0);
      client.close();
      await at.host.agent?.stop('SIGKILL');
    });

    test('without an agent that answers nothing is started in such a slice', async () => {
      const { client } = await at.openHard();
      client.close();
      await at.host.agent?.stop('SIGKILL');
      const lock = join(at.root.path, 'root/state/agent.lock');
      rmSync(lock);
      mkdirSync(lock); // no agent can start
      const run = at.host.tranche(['run', '--slice', 'one', '--', 'true']);
      expect(run.stderr).toContain(
        'The driver keeps this slice’s limit by that group, so nothing was started',
      );
      expect(run.status).toBe(125);
    });
  },
);
