/** `tranche metrics`: text that Prometheus's parser takes, with what the agent says and nothing that it does not know. */
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Client, GIB, GPU0, hasSim, TestHost, type Root } from './agent_process.ts';

let host: TestHost;
let root: Root;

function setUp(options?: { readonly sim: boolean }): void {
  host = new TestHost(options);
  root = host.root;
}

afterEach(() => host.end());

const metrics = (...args: string[]) => host.tranche(['metrics', ...args]);

interface Series {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** The exposition format, version 0.0.4: HELP and TYPE once before the samples of a metric, which stand together. */
function parse(text: string): {
  readonly series: readonly Series[];
  readonly types: ReadonlyMap<string, string>;
} {
  expect(text.endsWith('\n')).toBe(true);
  const types = new Map<string, string>();
  const series: Series[] = [];
  let current = '';
  for (const line of text.trimEnd().split('\n')) {
    const help = /^# HELP ([a-zA-Z_:][\w:]*) \S.*$/.exec(line);
    const type = /^# TYPE ([a-zA-Z_:][\w:]*) (gauge|counter)$/.exec(line);
    if (help !== null) {
      current = help[1] ?? '';
      expect(types.has(current)).toBe(false);
      continue;
    }
    if (type !== null) {
      expect(type[1]).toBe(current);
      types.set(current, type[2] ?? '');
      continue;
    }
    const sample =
      /^([a-zA-Z_:][\w:]*)\{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\"n])*",?)*)\} (-?\d+(?:\.\d+)?(?:e[+-]\d+)?)$/.exec(
        line,
      );
    expect(sample === null ? line : '').toBe('');
    expect(sample?.[1]).toBe(current);
    const labels = [...(sample?.[2] ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(
      (m) =>
        [m[1] ?? '', (m[2] ?? '').replace(/\\(.)/g, (_all, c: string) => (c === 'n' ? '\n' : c))] as const,
    );
    series.push({ name: current, labels: Object.fromEntries(labels), value: Number(sample?.[3]) });
  }
  return { series, types };
}

describe.skipIf(!hasSim)('metrics', () => {
  beforeEach(() => setUp());

  test('are the agent’s figures in base units, with names that explain themselves', async () => {
    writeFileSync(join(root.path, 'sim.conf'), 'gpu1.name = A "quoted" back\\slash\n');
    await host.start();
    const client = await Client.open(root);
    await client.create({
      memoryLimitBytes: 3 * GIB + 1,
      computeLimitPercent: 25,
      computeGuaranteePercent: 10,
    });
    const done = metrics();
    expect(`${String(done.status)} ${done.stderr}`).toBe('0 ');
    const { series, types } = parse(done.stdout);
    const of = (name: string): readonly Series[] => series.filter((one) => one.name === name);
    expect(of('tranche_info')).toMatchObject([{ labels: { simulated: 'true' }, value: 1 }]);
    expect(
      of('tranche_gpu_memory_capacity_bytes').map(({ labels, value }) => [
        labels['gpu'],
        labels['model'],
        value,
      ]),
    ).toEqual([
      ['0', 'Simulated H100 80GB', 80 * GIB],
      ['1', 'A "quoted" back\\slash', 80 * GIB],
    ]);
    expect(of('tranche_slice_memory_limit_bytes')).toMatchObject([
      { labels: { slice: 'one', gpu: '0', uuid: GPU0 }, value: 3 * GIB + 1 },
    ]);
    expect(of('tranche_slice_compute_limit_ratio')).toMatchObject([{ value: 0.25 }]);
    expect(of('tranche_slice_compute_guarantee_ratio')).toMatchObject([{ value: 0.1 }]);
    expect(of('tranche_slice_processes')).toMatchObject([{ value: 0 }]);
    expect(of('tranche_gpu_temperature_celsius')[0]?.value).toBe(32);
    expect(of('tranche_gpu_power_watts')[0]?.value).toBe(70);
    expect(of('tranche_gpu_sm_clock_hertz')[0]?.value).toBe(345e6);
    expect(types.get('tranche_slice_denied_allocations_total')).toBe('counter');
    expect([...types.values()].filter((type) => type === 'counter')).toHaveLength(1);
    client.close();
  });

  test('leave out what is not known, rather than call it 0', async () => {
    await host.start();
    const names = () => new Set(parse(metrics().stdout).series.map(({ name }) => name));
    expect(names()).toContain('tranche_gpu_memory_used_bytes');
    const doctor = host.tranche(['doctor', '--release']);
    expect(doctor.status).not.toBeNull();
    expect(names()).toContain('tranche_gpu_memory_capacity_bytes');
    expect(names()).not.toContain('tranche_gpu_memory_used_bytes');
  });

  test('go into a file whole, for a collector that reads it at any moment', async () => {
    await host.start();
    const folder = join(root.path, 'collector');
    mkdirSync(folder);
    const file = join(folder, 'tranche.prom');
    const done = metrics('--output', file);
    expect(`${String(done.status)} ${done.stdout}${done.stderr}`).toBe('0 ');
    expect(parse(readFileSync(file, 'utf8')).series.length).toBeGreaterThan(5);
    expect(readdirSync(folder)).toEqual(['tranche.prom']);
    const bad = metrics('--output', join(root.path, 'no-such-folder/x.prom'));
    expect(bad.status).toBe(125);
    expect(bad.stderr).toMatch(/x\.prom could not be written: No such file/);
    expect(metrics('--port', '9100').stderr).toContain('metrics takes --output FILE only');
  });
});

test('without a driver they say that nothing is known, and are still text that is taken', async () => {
  setUp({ sim: false });
  await host.start();
  const { series } = parse(metrics().stdout);
  expect(series).toMatchObject([{ name: 'tranche_info' }]);
});
