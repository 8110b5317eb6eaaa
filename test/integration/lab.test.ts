/** The demo lab: two hosts come up by themselves, and everything of it dies with it, even after kill -9. */
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { beforeAll, expect, it, onTestFinished } from 'vitest';
import { forkLab } from '../../electron/serve/lab-process.ts';
import { CoreHarness } from './support/core-harness.ts';
import { repository, requireBuilt, simFolder } from './support/private-root.ts';

const DEATH_TIMEOUT_MS = 10_000;
beforeAll(requireBuilt);

/** Pid and private root of every process whose root lies in one of these labs. */
function labProcesses(labRoot: string | null): { pid: number; root: string }[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((entry) => {
      try {
        const root = /(?:^|\0)TRANCHE_ROOT=([^\0]*\/tranche-lab-[^\0]*)/.exec(
          readFileSync(`/proc/${entry}/environ`, 'latin1'),
        )?.[1];
        return root !== undefined && (labRoot === null || dirname(root) === labRoot)
          ? [{ pid: Number(entry), root }]
          : [];
      } catch {
        return []; // gone meanwhile, or another user's
      }
    });
}

it.each(['SIGTERM', 'SIGKILL'] as const)('leaves nothing behind after %s', async (signal) => {
  const folder = mkdtempSync(join(tmpdir(), 'tranche-labtest-'));
  onTestFinished(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  writeFileSync(join(folder, 'config'), '');
  let pid = 0;
  const before = new Set(labProcesses(null).map(({ root }) => dirname(root)));
  const harness = await CoreHarness.start(join(folder, 'config'), {
    home: folder,
    launchLab: async () => {
      const lab = await forkLab(join(repository, 'dist/lab.cjs'), simFolder);
      ({ pid } = lab);
      return lab;
    },
  });
  onTestFinished(() => harness.stop());
  await harness.ask('demo:start', {});
  for (const name of ['demo-hopper', 'demo-ada']) {
    await harness.until(
      `${name} is live`,
      () => harness.hosts.get(`demo:${name}`)?.connection.kind === 'live',
    );
  }
  await harness.until(
    'programs run in slices',
    () =>
      (harness.samples.get('demo:demo-hopper')?.processes.filter((one) => one.sliceId !== null).length ??
        0) >= 3,
  );
  await harness.until('one runs outside', () =>
    harness.samples.get('demo:demo-hopper')?.processes.some((one) => one.sliceId === null),
  );
  expect(
    harness
      .host('demo:demo-hopper')
      .slices.map((slice) => slice.owner)
      .sort(),
  ).toEqual(['mira', 'tom', 'wei']);
  // Its host keys are pinned in memory: no known_hosts was written.
  expect(existsSync(join(folder, '.ssh'))).toBe(false);

  const roots = [...new Set(labProcesses(null).map(({ root }) => dirname(root)))].filter(
    (root) => !before.has(root),
  );
  expect(roots).toHaveLength(1);
  const root = roots[0] ?? '';
  expect(labProcesses(root).length).toBeGreaterThan(6);
  process.kill(pid, signal);
  await harness.until('the core has noticed', () => harness.hosts.size === 0);
  await expect.poll(() => labProcesses(root), { timeout: DEATH_TIMEOUT_MS }).toEqual([]);
  await expect.poll(() => existsSync(root), { timeout: DEATH_TIMEOUT_MS }).toBe(false);
});
