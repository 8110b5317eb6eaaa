/**
 * Ways around a limit, tried where the driver keeps it for the slice's control group: nothing of ours is loaded into the
 * program, and the gate is left out. docs/security.md has the table that these are cells of.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { GIB, simDir } from './agent_process.ts';
import { LimitsHost, LimitsTool, noLimits, OUT_OF_MEMORY } from './limits_host.ts';

const NAMESPACES = ['unshare', '--user', '--map-root-user', '--mount', '--pid', '--net', '--ipc', '--fork'];
const hasNamespaces = spawnSync('unshare', ['--user', '--map-root-user', 'true']).status === 0;

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

/** What stands before the program. */
const WAYS: Readonly<Record<string, () => readonly string[]>> = {
  'unset LD_PRELOAD': () => [],
  'env -i': () => [
    'env',
    '-i',
    `LD_LIBRARY_PATH=${simDir}`,
    `TRANCHE_SIM_DIR=${at.root.env['TRANCHE_SIM_DIR'] ?? ''}`,
  ],
  'forged variables': () => [
    'TRANCHE_SLICES=s-0000000000000000',
    `TRANCHE_RUNTIME_DIR=${at.root.path}`,
    'TRANCHE_GATED=1',
    'TRANCHE_DISABLE=1',
  ],
  'a library of its own before ours': () => {
    const library = join(at.root.path, 'libtranche.so');
    writeFileSync(`${library}.c`, 'int tranche_is_ours = 1;\n');
    execFileSync('gcc', ['-shared', '-fPIC', '-o', library, `${library}.c`]);
    return [`LD_PRELOAD=${library}`];
  },
  'namespaces of its own': () => NAMESPACES,
  // Without a cgroup namespace: it would hide the group from the simulated driver, which asks as the program; from no kernel.
  'a container': () => ['unshare', '--mount', '--pid', '--net', '--ipc', '--uts', '--fork', '--mount-proc'],
  'a session of its own': () => ['setsid', '--wait'],
};

describe.skipIf(noLimits !== null)(
  `where the driver keeps the limit${noLimits === null ? '' : ` (skipped: ${noLimits})`}`,
  () => {
    test.each(Object.keys(WAYS).filter((way) => hasNamespaces || !way.startsWith('namespaces')))(
      'is held: %s',
      async (way) => {
        const { client, id } = await at.openHard();
        const taker = at.take('one', 8 * GIB, 'take', WAYS[way]?.() ?? []);
        const [result, taken = 0] = await taker.said();
        expect(result).toBe(OUT_OF_MEMORY);
        const { used } = at.limits(id);
        expect(used).toBeGreaterThanOrEqual(taken);
        expect(used).toBeLessThanOrEqual(GIB);
        client.close();
      },
    );
  },
);
