/** What the app costs with a whole fleet on the screen, and hidden: CPU and memory of all its processes. */
import { writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { runtimeFolder, whyNoRuntime } from '../e2e/desktop.ts';
import { launchBareApp, type BareApp } from './bare-app.ts';
import { bringLive, click } from './fleet-app.ts';
import { startFleet } from './fleet-hosts.ts';
import { cpuSeconds, pssBytes, roleOf, treeOf } from './process-tree.ts';
import { makeFigure, type Figure } from './report.ts';

const HOSTS = Number(process.env['TRANCHE_FLEET_HOSTS'] ?? 32);
const SHAPE = { gpus: 8, slicesPerGpu: 8, periodMs: 1_000 };
const SETTLE_MS = 5_000;
/** How long the visible app is watched; memory grows, or does not, over this. */
const WATCH_MS = Number(process.env['TRANCHE_FLEET_WATCH_MS'] ?? 300_000);
const HIDDEN_WATCH_MS = Math.min(WATCH_MS, 60_000);

interface Watched {
  /** Of one core, all processes together. */
  readonly percent: number;
  readonly byRole: ReadonlyMap<string, number>;
  readonly samplesPerSecond: number;
}

async function watch(root: number, sent: () => number, watchMs: number): Promise<Watched> {
  const sentBefore = sent();
  const before = cpuSeconds(treeOf(root));
  const startedAt = process.hrtime.bigint();
  await delay(watchMs);
  const seconds = Number(process.hrtime.bigint() - startedAt) / 1e9;
  const byRole = new Map<string, number>();
  let percent = 0;
  for (const [pid, used] of cpuSeconds(treeOf(root))) {
    const part = (100 * (used - (before.get(pid) ?? 0))) / seconds;
    percent += part;
    byRole.set(roleOf(pid), (byRole.get(roleOf(pid)) ?? 0) + part);
  }
  return { percent, byRole, samplesPerSecond: (sent() - sentBefore) / seconds };
}

const MIB = 1024 ** 2;
function tell(what: string, { percent, byRole, samplesPerSecond }: Watched): void {
  const parts = [...byRole].map(([role, part]) => `${role} ${part.toFixed(1)}`).join(', ');
  console.log(
    `${what}: ${percent.toFixed(2)} % of a core (${parts}), ${samplesPerSecond.toFixed(1)} samples a second`,
  );
}

async function measure(app: BareApp, sent: () => number): Promise<Figure[]> {
  const root = app.pid;
  const what = `${String(HOSTS)} hosts × ${String(SHAPE.gpus)} GPUs × ${String(SHAPE.slicesPerGpu)} slices at 1 Hz`;
  await delay(SETTLE_MS);
  const before = pssBytes(treeOf(root));
  const visible = await watch(root, sent, WATCH_MS);
  const picture = process.env['TRANCHE_FLEET_PICTURE'];
  if (picture !== undefined) {
    const png = await app.main<string>(
      "electron.BrowserWindow.getAllWindows()[0].capturePage().then((image) => image.toPNG().toString('base64'))",
    );
    writeFileSync(picture, Buffer.from(png, 'base64'));
  }
  tell('visible', visible);
  const after = pssBytes(treeOf(root));
  console.log(`memory: ${(before / MIB).toFixed(0)} MiB, then ${(after / MIB).toFixed(0)} MiB (PSS)`);
  await app.main('electron.BrowserWindow.getAllWindows().forEach((window) => window.hide())');
  await delay(SETTLE_MS);
  const hidden = await watch(root, sent, HIDDEN_WATCH_MS);
  tell('hidden', hidden);
  if (hidden.samplesPerSecond > visible.samplesPerSecond / 4)
    throw new Error('the hidden app is still sampled as if it were seen');
  return [
    makeFigure(
      'fleet.visible',
      `CPU of all app processes, ${what}, visible`,
      visible.percent,
      '% of a core',
      40,
    ),
    makeFigure('fleet.hidden', `CPU of all app processes, ${what}, hidden`, hidden.percent, '% of a core', 3),
    makeFigure(
      'fleet.memory',
      `growth of all app processes (PSS) over ${String(WATCH_MS / 60_000)} min, ${what}`,
      (100 * (after - before)) / before,
      '%',
      5,
    ),
  ];
}

/** The figures; a picture of the screen goes to TRANCHE_FLEET_PICTURE. */
export async function benchFleet(): Promise<readonly Figure[]> {
  if (runtimeFolder === null) throw new Error(`no Electron starts here${whyNoRuntime}`);
  const fleet = await startFleet({ hosts: HOSTS, ...SHAPE });
  process.env['TRANCHE_SSH_CONFIG'] = fleet.configFile;
  try {
    const app = await launchBareApp();
    try {
      await bringLive(app, fleet.names);
      await click(app, fleet.names[0] ?? '');
      const figures = await measure(app, () => fleet.sent());
      return figures;
    } finally {
      await app.close();
    }
  } finally {
    fleet.stop();
  }
}
