/** A driver is tried before its limits of control groups are believed: what is proved, kept, and not believed. */
import { spawn } from 'node:child_process';
import { chownSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { GIB, NOBODY, until, type Client } from './agent_process.ts';
import { stateWith, type State } from './events.ts';
import { LimitsHost, LimitsTool, NO_LIMIT, noLimits, standing } from './limits_host.ts';

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

describe.skipIf(noLimits !== null)(
  `the proof of a driver${noLimits === null ? '' : ` (skipped: ${noLimits})`}`,
  () => {
    const settled = (client: Client): Promise<State> =>
      stateWith(client, 'the proof to end', (state) => standing(state) !== 'untried');

    test('is kept over restarts, and made anew for another driver', async () => {
      const { client } = await at.openHard();
      client.close();
      at.bend('limits-ignored');
      await at.host.agent?.stop('SIGKILL');
      await at.host.start();
      const again = await at.watch();
      const kept = await stateWith(again, 'what was kept', (state) => standing(state) === 'proved');
      expect(kept.backends?.[0]?.kernelLimitNote).toContain('tried before');
      again.close();
      await at.host.agent?.stop('SIGKILL');
      at.configure('driver = 615.99');
      rmSync(join(at.root.path, 'sim.shm'), { force: true });
      await at.host.start();
      const other = await at.watch();
      const state = await stateWith(other, 'it to fail', (s) => standing(s) === 'not-proved');
      expect(state.backends?.[0]?.kernelLimitNote).toContain('does not keep the limits that it takes');
      expect(state.slices[0]?.enforcement).toBe('cooperative');
      other.close();
    });

    test('a driver that keeps none, or takes none, is not believed, and the limits are the library’s', async () => {
      at.bend('limits-ignored');
      const { client, id } = await at.open();
      const state = await stateWith(client, 'it to fail', (s) => standing(s) === 'not-proved');
      expect(state.slices[0]?.enforcement).toBe('cooperative');
      await until('its group to go', () => !existsSync(at.groups.scope('proof')));
      expect(at.limits(id)).toMatchObject({ soft: '0', hard: NO_LIMIT });
      expect(at.host.tranche(['run', '--slice', 'one', '--', 'true'])).toMatchObject({
        status: 0,
        stderr: '',
      });
      expect(at.host.tranche(['doctor', '--json']).stdout).toContain(
        'does not keep the limits that it takes',
      );
      expect(at.host.tranche(['ls']).stdout).toContain('does not keep the limits that it takes');
      client.close();
    });

    test('one that goes on counting what the dead held is not believed either', async () => {
      at.bend('limits-uncredited');
      const { client } = await at.open();
      const state = await stateWith(client, 'it to fail', (s) => standing(s) === 'not-proved');
      expect(state.backends?.[0]?.kernelLimitNote).toContain('still counts');
      client.close();
    });

    test('an older driver has none, which is said and costs nothing', async () => {
      writeFileSync(join(at.root.path, 'sim.conf'), '');
      const { client } = await at.open();
      const state = await stateWith(
        client,
        'what is missing',
        (s) => (s.backends?.[0]?.kernelLimitNote ?? null) !== null,
      );
      expect(state.backends?.[0]).toMatchObject({ kernelLimit: null });
      expect(at.host.tranche(['doctor', '--json']).stdout).toContain(
        'keeps no memory limits for control groups',
      );
      expect(at.host.tranche(['run', '--slice', 'one', '--', 'true'])).toMatchObject({
        status: 0,
        stderr: '',
      });
      client.close();
    });

    test('a GPU that is cut by the hardware has none', async () => {
      at.configure('gpu0.mig = 1g.10gb', 'gpu1.mig = 1g.10gb');
      await at.host.start();
      const client = await at.watch();
      const state = await settled(client);
      expect(state.backends?.[0]).toMatchObject({ kernelLimit: null });
      expect(state.backends?.[0]?.kernelLimitNote).toContain('cut by the hardware');
      client.close();
    });

    test('a GPU without room is not made fuller: it is tried later, and why is said', async () => {
      at.configure('gpus = 1', 'memory = 3g');
      const full = at.host.keep(
        spawn(tool.path, ['take', String(2 * GIB)], {
          env: at.root.env,
          stdio: ['ignore', 'pipe', 'inherit'],
        }),
      );
      await new Promise((resolve) => full.stdout?.once('data', resolve));
      await at.host.start();
      const client = await at.watch();
      const state = await stateWith(
        client,
        'why',
        (s) => (s.backends?.[0]?.kernelLimitNote ?? null) !== null,
      );
      expect(state.backends?.[0]).toMatchObject({ kernelLimit: 'untried' });
      expect(state.backends?.[0]?.kernelLimitNote).toContain('GPU 0 has no 1');
      client.close();
    });

    test('an agent that is not root has none', async () => {
      const bin = at.host.openToOthers();
      at.configure();
      chownSync(at.root.path, NOBODY, NOBODY);
      await at.host.start({ uid: NOBODY, bin: bin('tranche') });
      const client = await at.watch();
      const state = await settled(client);
      expect(state.backends?.[0]).toMatchObject({
        kernelLimit: null,
        kernelLimitNote: 'The agent is not root.',
      });
      client.close();
    });
  },
);
