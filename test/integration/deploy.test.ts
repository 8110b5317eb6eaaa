/** Core → SSH → the real agent: installation, upgrade, removal, and everything that can go wrong on the way. */
import { spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { whyNoSshd } from './support/openssh.ts';
import { CoreHarness } from './support/core-harness.ts';
import { goLive, startLiveHost, type LiveHost, type LiveHostOptions } from './support/live-host.ts';
import {
  artifactsFolder,
  killProcessesIn,
  processesIn,
  requireBuilt,
  tranche,
  workload,
} from './support/private-root.ts';

beforeAll(requireBuilt);

async function live(options: LiveHostOptions = {}): Promise<LiveHost> {
  const host = await startLiveHost(options);
  onTestFinished(() => host.stop());
  return host;
}
const temporary = () => {
  const path = mkdtempSync(join(tmpdir(), 'tranche-dep-'));
  onTestFinished(() => {
    rmSync(path, { recursive: true, force: true });
  });
  return path;
};

describe.each(['embedded', 'openssh'] as const)('over the %s server', (server) => {
  it.skipIf(server === 'openssh' && whyNoSshd !== null)(
    'installs with visible steps and draws the first sample',
    async () => {
      const host = await live({ server });
      const { harness, hostId } = host;
      await harness.ask('host:connect', { hostId });
      const preview = await harness.untilConnection(hostId, 'preview');
      expect(preview.canDeploy).toBe(true);
      const steps: string[] = [];
      const watch = harness.until('steps', () => {
        const { connection } = harness.host(hostId);
        if (connection.kind === 'deploying')
          for (const { step, state } of connection.steps)
            if (!steps.includes(`${step} ${state}`)) steps.push(`${step} ${state}`);
        return connection.kind === 'live';
      });
      await harness.ask('host:deploy', { hostId });
      await watch;
      expect(steps).toEqual(
        expect.arrayContaining(['probe done', 'upload done', 'verify done', 'activate done']),
      );
      const state = harness.host(hostId);
      expect(state.gpus).toHaveLength(2);
      expect(state.gpus[0]).toMatchObject({ simulated: true, capacityBytes: 80 * 1024 ** 3 });
      await harness.until(
        'a sample',
        () => harness.samples.get(hostId)?.gpus[0]?.memoryUsedBytes !== undefined,
      );
      expect(readlinkSync(join(host.root.path, 'bin/current'))).toBe('0.1.0-x86_64');
      // The next connection finds it at once.
      await harness.ask('host:disconnect', { hostId });
      await harness.ask('host:connect', { hostId });
      await harness.untilConnection(hostId, 'live');
    },
  );
});

describe('a difficult host', () => {
  it('is reached behind a login shell that prints a banner', async () => {
    const host = await live({
      ssh: { banner: 'Welcome!\n{"ev":"state"}\n@tranche 0 missing\nTRANCHE-ATTACH 0\n' },
    });
    await goLive(host);
    expect(host.harness.host(host.hostId).connection.kind).toBe('live');
  });

  it('has a shell that is no shell', async () => {
    const folder = temporary();
    writeFileSync(
      join(folder, 'nologin'),
      '#!/bin/sh\necho This account is currently not available.\nexit 1\n',
    );
    chmodSync(join(folder, 'nologin'), 0o755);
    const { harness, hostId } = await live({ ssh: { shell: join(folder, 'nologin') } });
    await harness.ask('host:connect', { hostId });
    const { failure } = await harness.untilConnection(hostId, 'failed');
    expect(failure.detail).toMatch(/currently not available/);
    expect(failure.message).toMatch(/Nothing was changed/);
  });

  it('has no GPU and no driver, and says so while everything else works', async () => {
    const host = await live({ root: { simulator: false } });
    await goLive(host);
    const { connection, gpus } = host.harness.host(host.hostId);
    expect(gpus).toEqual([]);
    expect(connection.kind === 'live' && connection.agent.gpuNote).toMatch(/driver|NVML|libnvidia-ml/i);
  });

  it('has an architecture that we do not ship', async () => {
    const folder = temporary();
    const { harness, hostId } = await live({ core: { artifactsFolder: folder } });
    await harness.ask('host:connect', { hostId });
    await harness.untilConnection(hostId, 'preview');
    const result = await harness.request('host:deploy', { hostId });
    expect(result).toMatchObject({ ok: false, error: { code: 'unsupported-architecture' } });
  });

  it('has no place where programs may run', async () => {
    const host = await live();
    // A file where the directory should be: nothing can be created there.
    writeFileSync(join(host.root.path, 'bin'), '');
    const { harness, hostId } = host;
    await harness.ask('host:connect', { hostId });
    await harness.untilConnection(hostId, 'preview');
    const result = await harness.request('host:deploy', { hostId });
    expect(result).toMatchObject({ ok: false, error: { code: 'no-executable-place' } });
    if (!result.ok) expect(result.error.message).toContain(join(host.root.path, 'bin'));
  });

  it('receives a damaged upload, notices, and leaves nothing behind', async () => {
    // A sha256sum that finds something else stands in for a link that damages bytes.
    const fake = temporary();
    writeFileSync(join(fake, 'sha256sum'), '#!/bin/sh\necho 0000 -\n');
    chmodSync(join(fake, 'sha256sum'), 0o755);
    const { harness, hostId, root } = await live({ env: { PATH: `${fake}:${process.env['PATH'] ?? ''}` } });
    await harness.ask('host:connect', { hostId });
    await harness.untilConnection(hostId, 'preview');
    const result = await harness.request('host:deploy', { hostId });
    expect(result).toMatchObject({ ok: false, error: { code: 'upload-corrupted' } });
    expect(readdirSync(join(root.path, 'bin'))).toEqual([]);
  });
});

describe('the read-only view', () => {
  /** nvidia-smi that fails once, and works from then on. */
  function smi() {
    const folder = temporary();
    const count = join(folder, 'count');
    writeFileSync(
      join(folder, 'nvidia-smi'),
      `#!/bin/sh
echo x >> ${count}
if [ "$(wc -l < ${count})" -eq 1 ]; then echo "Driver/library version mismatch \u202e"; exit 18; fi
echo "0, GPU-0-1, NVIDIA A100, 81920, $(($(wc -l < ${count}) * 1000)), 50, 40, 550"
`,
      { mode: 0o755 },
    );
    return { PATH: `${folder}:${process.env['PATH'] ?? ''}` };
  }
  const shown = async (host: LiveHost) => {
    await host.harness.ask('host:connect', { hostId: host.hostId });
    return host.harness.untilConnection(host.hostId, 'preview');
  };
  const gpusOf = ({ harness, hostId }: LiveHost) => {
    const { connection } = harness.host(hostId);
    return connection.kind === 'preview' ? connection.gpus : [];
  };

  it('is read again when asked, and by itself while somebody looks, with its time', async () => {
    const host = await live({ env: smi(), root: { simulator: false } });
    const { harness, hostId } = host;
    const first = await shown(host);
    expect(first.note?.trim()).toBe('Driver/library version mismatch');
    await harness.ask('host:retry', { hostId });
    await harness.until('it is read again', () => gpusOf(host)[0]?.memoryUsedBytes === 2000 * 1024 ** 2);
    await harness.until('and once more', () => gpusOf(host)[0]?.memoryUsedBytes === 3000 * 1024 ** 2);
    const { connection } = harness.host(hostId);
    expect(connection.kind === 'preview' && connection.asOfMs).toBeGreaterThan(first.asOfMs);
    // Nothing of it is in the way of an installation.
    await harness.ask('host:retry', { hostId });
    await harness.ask('host:deploy', { hostId });
    await harness.untilConnection(hostId, 'live');
  });

  it('gives way to an agent that somebody else has installed', async () => {
    const host = await live({ root: { simulator: false } });
    await shown(host);
    const other = await CoreHarness.start(host.configFile);
    onTestFinished(() => other.stop());
    await other.ask('host:connect', { hostId: host.hostId });
    await other.untilConnection(host.hostId, 'preview');
    await other.ask('host:deploy', { hostId: host.hostId });
    await host.harness.ask('host:retry', { hostId: host.hostId });
    await host.harness.untilConnection(host.hostId, 'live');
  });
});

describe('two versions of the app', () => {
  it('an older one offers no upgrade, and does not put itself over a newer agent', async () => {
    const host = await live();
    await goLive(host);
    const older = await CoreHarness.start(host.configFile, { appVersion: '0.0.9' });
    onTestFinished(() => older.stop());
    await older.ask('host:connect', { hostId: host.hostId });
    expect((await older.untilConnection(host.hostId, 'live')).upgradeTo).toBeNull();
    const result = await older.request('host:deploy', { hostId: host.hostId });
    expect(result).toMatchObject({ ok: false, error: { code: 'agent-version-mismatch' } });
    expect(readlinkSync(join(host.root.path, 'bin/current'))).toBe('0.1.0-x86_64');
    expect(older.host(host.hostId).connection.kind).toBe('live');
    const newer = await CoreHarness.start(host.configFile, { appVersion: '0.2.0' });
    onTestFinished(() => newer.stop());
    await newer.ask('host:connect', { hostId: host.hostId });
    expect((await newer.untilConnection(host.hostId, 'live')).upgradeTo).toBe('0.2.0');
  });
});

describe('upgrade and removal, while a program runs in a slice', () => {
  async function withTenant(options: LiveHostOptions = {}) {
    const host = await live(options);
    await goLive(host);
    const { harness, hostId, root } = host;
    const gpuUuid = harness.host(hostId).gpus[0]?.uuid ?? '';
    const limits = { memoryLimitBytes: 8 * 1024 ** 3, computeLimitPercent: 50, computeGuaranteePercent: 0 };
    const { sliceId } = await harness.ask('slice:create', {
      hostId,
      gpuUuid,
      name: 'mine',
      ...limits,
      priority: 'normal',
      owner: null,
      expiresAtMs: null,
    });
    const program = spawn(
      join(root.path, 'bin/current/tranche'),
      ['run', '--slice', 'mine', '--', workload, 'notebook', '--memory', String(1024 ** 3)],
      { env: root.env, stdio: 'ignore' },
    );
    await harness.until('the program is in its slice', () =>
      harness.samples
        .get(hostId)
        ?.processes.some((one) => one.pid === program.pid && one.sliceId === sliceId),
    );
    return { host, program, sliceId };
  }

  it('upgrades: the program goes on, its slice and its memory are there again', async () => {
    const { host, program, sliceId } = await withTenant();
    const { harness, hostId, root } = host;
    await harness.ask('host:deploy', { hostId });
    await harness.untilConnection(hostId, 'live');
    const sample = await harness.until('the slice with its memory', () => {
      const slice = harness.samples.get(hostId)?.slices.find((one) => one.id === sliceId);
      return slice?.processCount === 1 && (slice.ledgerBytes ?? 0) >= 1024 ** 3 ? slice : null;
    });
    expect(sample.ledgerBytes).toBeGreaterThanOrEqual(1024 ** 3);
    expect(program.exitCode).toBeNull();
    expect(tranche(root, 'version')).toMatch(/0\.1\.0/);
  });

  it('removes: everything goes but what the program still maps, and the list says what', async () => {
    const { host, program } = await withTenant();
    const { harness, hostId, root } = host;
    const { path } = await harness.ask('host:link', { hostId });
    expect(readlinkSync(path)).toBe(join(root.path, 'bin/current/tranche'));
    const { removed } = await harness.ask('host:remove-agent', { hostId });
    expect(removed).toContain(path);
    expect(removed.some((line) => /kept: a running program uses it/.test(line))).toBe(true);
    expect(program.exitCode).toBeNull();
    await harness.untilConnection(hostId, 'preview');
    program.kill('SIGKILL');
    await new Promise((resolve) => program.on('exit', resolve));
    await harness.ask('host:remove-agent', { hostId });
    expect(existsSync(join(root.path, 'bin'))).toBe(false);
    expect(existsSync(join(root.path, 'state'))).toBe(false);
    await expect.poll(() => processesIn(root.path)).toEqual([]);
  });

  /** The agent of this build under an earlier number of the same length. */
  function putVersion(root: string, version: string, script?: string): void {
    const folder = join(root, 'bin', `${version}-x86_64`);
    mkdirSync(folder, { recursive: true });
    for (const name of ['tranche', 'libtranche.so']) {
      const bytes = readFileSync(join(artifactsFolder, 'x86_64', name)).toString('latin1');
      writeFileSync(join(folder, name), Buffer.from(bytes.replaceAll('0.1.0', version), 'latin1'), {
        mode: 0o755,
      });
    }
    if (script !== undefined) writeFileSync(join(folder, 'tranche'), script, { mode: 0o755 });
  }
  const facts = { protocol: 1, regionAbi: 4 };
  const versionOf = (host: LiveHost): string | null => {
    const { connection } = host.harness.host(host.hostId);
    return connection.kind === 'live' ? connection.agent.version : null;
  };
  /** The folder that is offered; known from the next connection on. */
  async function previousOf(host: LiveHost): Promise<string | null> {
    await host.harness.ask('host:disconnect', { hostId: host.hostId });
    await host.harness.ask('host:connect', { hostId: host.hostId });
    const { agent } = await host.harness.untilConnection(host.hostId, 'live');
    return agent.previous;
  }

  it('goes back to the version before and forward again: the program, its slice and its memory stay', async () => {
    const { host, program, sliceId } = await withTenant();
    const { harness, hostId, root } = host;
    expect(await previousOf(host)).toBeNull();
    putVersion(root.path, '0.0.9');
    const version = await previousOf(host);
    expect(version).toBe('0.0.9-x86_64');
    const checked = await harness.ask('host:check-version', { hostId, version: '0.0.9-x86_64' });
    expect(checked).toEqual({ version: '0.0.9', protocol: 1, stateFormat: 1, refusal: null });
    await harness.ask('host:roll-back', { hostId, version: '0.0.9-x86_64' });
    expect(versionOf(host)).toBe('0.0.9');
    expect(readlinkSync(join(root.path, 'bin/current'))).toBe('0.0.9-x86_64');
    const there = (): unknown => {
      const slice = harness.samples.get(hostId)?.slices.find((one) => one.id === sliceId);
      return slice?.processCount === 1 && (slice.ledgerBytes ?? 0) >= 1024 ** 3;
    };
    await harness.until('the slice with its memory', there);
    const { connection } = harness.host(hostId);
    expect(connection).toMatchObject({ kind: 'live', upgradeTo: '0.1.0', agent: { previous: null } });
    await harness.ask('host:deploy', { hostId });
    expect(versionOf(host)).toBe('0.1.0');
    await harness.until('the slice with its memory', there);
    expect(program.exitCode).toBeNull();
  });

  it('does not stay with a version that does not start', async () => {
    const { host, program } = await withTenant();
    const { harness, hostId, root } = host;
    const says = JSON.stringify({ version: '0.0.9', ...facts, stateFormat: 1 });
    putVersion(
      root.path,
      '0.0.9',
      `#!/bin/sh\n[ "$1" = version ] && { echo '${says}'; exit 0; }\necho worn out >&2; exit 1\n`,
    );
    await previousOf(host);
    const result = await harness.request('host:roll-back', { hostId, version: '0.0.9-x86_64' });
    expect(result).toMatchObject({ ok: false, error: { code: 'agent-start-failed' } });
    if (!result.ok) expect(result.error.message).toContain('0.1.0-x86_64 runs there again');
    expect(versionOf(host)).toBe('0.1.0');
    expect(readlinkSync(join(root.path, 'bin/current'))).toBe('0.1.0-x86_64');
    expect(program.exitCode).toBeNull();
  });

  it.each([
    ['another protocol', { ...facts, protocol: 0 }, /speaks protocol 0/],
    ['another layout of shared memory', { ...facts, regionAbi: 2 }, /layout 2, and those that run use 4/],
    ['an older format of the state', { ...facts, stateFormat: 0 }, /format 0, and they were written in 1/],
  ])('does not go to a version with %s, nor touch anything for it', async (_name, says, sentence) => {
    const host = await live();
    await goLive(host);
    const { harness, hostId, root } = host;
    const text = JSON.stringify({ version: '0.0.9', ...says });
    putVersion(root.path, '0.0.9', `#!/bin/sh\ntouch "$TRANCHE_ROOT/ran-$1"; echo '${text}'\n`);
    const checked = await harness.ask('host:check-version', { hostId, version: '0.0.9-x86_64' });
    expect(checked.refusal).toMatch(sentence);
    const result = await harness.request('host:roll-back', { hostId, version: '0.0.9-x86_64' });
    expect(result).toMatchObject({ ok: false, error: { code: 'agent-version-mismatch' } });
    expect(readlinkSync(join(root.path, 'bin/current'))).toBe('0.1.0-x86_64');
    expect(existsSync(join(root.path, 'ran-attach'))).toBe(false);
    expect(versionOf(host)).toBe('0.1.0');
  });

  it('makes no link over somebody else’s file', async () => {
    const host = await live();
    await goLive(host);
    const bin = join(host.root.env['HOME'] ?? '', '.local/bin');
    mkdirSync(bin, { recursive: true });
    writeFileSync(join(bin, 'tranche'), 'mine');
    const result = await host.harness.request('host:link', { hostId: host.hostId });
    expect(result.ok).toBe(false);
    if (!result.ok) expect(result.error.message).toMatch(/not a link/);
    rmSync(join(bin, 'tranche'));
    symlinkSync('/elsewhere', join(bin, 'tranche'));
    await host.harness.ask('host:link', { hostId: host.hostId });
  });
});

describe('a link that breaks', () => {
  it('reconnects by itself after a drop, and after the agent was killed', async () => {
    const host = await live();
    await goLive(host);
    const { harness, hostId, root } = host;
    host.dropAll();
    const { failure } = await harness.untilConnection(hostId, 'reconnecting');
    expect(failure.code).toBe('connection-lost');
    await harness.untilConnection(hostId, 'live');
    const before = harness.samples.get(hostId)?.seq ?? 0;
    killProcessesIn(root.path);
    await harness.untilConnection(hostId, 'reconnecting');
    await harness.untilConnection(hostId, 'live');
    await harness.until('samples go on', () => (harness.samples.get(hostId)?.seq ?? 0) !== before);
  });

  it('breaks in the middle of the installation: nothing half-done is left', async () => {
    const slow = temporary();
    // A base64 that waits: the drop comes while the upload is being written.
    writeFileSync(
      join(slow, 'base64'),
      // Whether it works at all is tried before, with a few letters.
      '#!/bin/sh\ntext=$(cat)\n[ ${#text} -lt 100 ] && { printf %s "$text" | /usr/bin/base64 -d; exit; }\ntouch "$TRANCHE_ROOT/decoding"\nwhile [ -d "$TRANCHE_ROOT" ] && [ ! -e "$TRANCHE_ROOT/go-on" ]; do sleep 0.05; done\nexit 0\n',
    );
    chmodSync(join(slow, 'base64'), 0o755);
    const host = await live({ env: { PATH: `${slow}:${process.env['PATH'] ?? ''}` } });
    const { harness, hostId, root } = host;
    await harness.ask('host:connect', { hostId });
    await harness.untilConnection(hostId, 'preview');
    const deploying = harness.request('host:deploy', { hostId });
    await harness.until('the upload runs', () => existsSync(join(root.path, 'decoding')));
    host.dropAll();
    expect(await deploying).toMatchObject({ ok: false, error: { code: 'connection-lost' } });
    writeFileSync(join(root.path, 'go-on'), '');
    await expect
      .poll(() => readdirSync(join(root.path, 'bin')).filter((name) => name.startsWith('.new-')), {
        timeout: 10_000,
      })
      .toEqual([]);
    expect(existsSync(join(root.path, 'bin/current'))).toBe(false);
  });
});

it('ships what it says', () => {
  for (const arch of ['x86_64', 'aarch64'])
    expect(readdirSync(join(artifactsFolder, arch))).toEqual(
      expect.arrayContaining(['libtranche.so', 'tranche']),
    );
});
