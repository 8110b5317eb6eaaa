/** The command line as a person meets it: help everywhere, refusals in words, and an agent that owes nothing to a shell. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Client, hasSim, isRoot, NOBODY, TestHost, trancheBin, type Line } from './agent_process.ts';

let host: TestHost;

beforeEach(() => {
  host = new TestHost();
});

afterEach(() => host.end());

const COMMANDS = [
  'run',
  'env',
  'ls',
  'slice',
  'concurrent',
  'quota',
  'escapes',
  'job',
  'doctor',
  'door',
  'audit',
  'hours',
  'metrics',
  'agent',
  'attach',
  'version',
];

describe('help', () => {
  test.each(COMMANDS)('of %s, and the version, need no agent', (command) => {
    for (const option of ['--help', '-h']) {
      const run = host.tranche([command, option]);
      expect(run).toMatchObject({ status: 0, stderr: '' });
      expect(run.stdout).toMatch(new RegExp(`^Usage: tranche\\n {2}${command}[ \\n]`));
      expect(run.stdout.split('\n').length).toBeLessThan(10);
    }
    const version = host.tranche([command, '--version']);
    expect(version).toMatchObject({ status: 0, stderr: '' });
    expect(version.stdout).toMatch(/^tranche \d+\.\d+/);
    expect(spawnSync('ls', [`${host.root.path}/root`]).status).not.toBe(0); // nothing was started
  });

  test('of the whole, of a verb, and not of a program that is to be run', () => {
    for (const words of [['--help'], ['-h'], ['help']]) {
      expect(host.tranche(words).stdout).toMatch(/^Usage: tranche COMMAND …/);
    }
    expect(host.tranche(['slice', 'create', '--help']).stdout).toContain('slice resize NAME');
    expect(host.tranche(['--version']).stdout).toMatch(/^tranche \d/);
    expect(host.tranche(['run', '--slice', 'x', 'echo', '--help']).stdout).toBe('');
    expect(host.tranche(['run', '--slice', 'x', '--', 'echo', '-h']).stdout).toBe('');
  });

  test.each(['version', '--version', '--help', 'run --help'])(
    'that cannot be written is a failure: %s',
    (words) => {
      const run = spawnSync('sh', ['-c', `exec "$0" ${words} > /dev/full`, trancheBin], {
        env: host.root.env,
      });
      expect(run.status).toBe(125);
    },
  );
});

describe.skipIf(!hasSim)('refusals', () => {
  test('say what was typed and what is wanted', async () => {
    await host.start();
    const client = await Client.open(host.root);
    expect(await client.create()).toMatchObject({ ok: true });
    client.close();
    const job = host.tranche(['job', 'cancel', 'zz']);
    expect(job.stderr).toBe(
      'tranche: “zz” is not the id of a job, so nothing was changed; `tranche job ls` shows them (j-…)\n',
    );
    const share = host.tranche(['slice', 'resize', 'one', '--compute', '12.5%']);
    expect(share.stderr).toContain(
      '“12.5%” is not a share, so nothing was changed; shares are whole percents, from 1 to 100',
    );
    const floor = host.tranche(['slice', 'resize', 'one', '--guarantee', '12.5']);
    expect(floor.stderr).toContain('whole percents, from 0 to 100');
  });
});

describe.skipIf(!hasSim)('an agent that was started from a shell with limits', () => {
  const limitsOf = (pid: number | undefined): string => readFileSync(`/proc/${String(pid)}/limits`, 'utf8');

  test('has none of them, as far as they can be lifted', async () => {
    const agent = await host.start({
      shell: 'ulimit -Sn 24; ulimit -Sv 4000000; ulimit -St 100; renice -n 5 $$ >/dev/null',
    });
    const limits = limitsOf(agent.child.pid);
    expect(Number(/Max open files +(\d+)/.exec(limits)?.[1])).toBeGreaterThan(1000);
    expect(limits).toMatch(/Max address space +unlimited/);
    expect(limits).toMatch(/Max cpu time +unlimited/);
    const client = await Client.open(host.root);
    const reply = await client.ask('doctor');
    const codes = (reply['findings'] as Line[]).map((one) => one['code']);
    expect(codes.includes('agent-nice')).toBe(!isRoot);
    expect(codes).not.toContain('agent-limits');
    client.close();
  });

  test.skipIf(!isRoot)('says what is wrong where they cannot be lifted, at once', () => {
    const copied = host.openToOthers();
    const script = 'ulimit -Hn 24; ulimit -n 24; exec "$0" ls';
    const started = Date.now();
    const run = spawnSync('sh', ['-c', script, copied('tranche')], {
      env: { ...host.root.env, TRANCHE_ROOT: `${host.root.path}/sim/root` },
      uid: NOBODY,
      gid: NOBODY,
      encoding: 'utf8',
    });
    expect(run.status).toBe(125);
    expect(run.stderr).toContain(
      'may open 24 files only (ulimit -Hn of the shell that started it), and needs 128',
    );
    expect(Date.now() - started).toBeLessThan(5000);
  });
});
