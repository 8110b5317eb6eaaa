/** A command from the window finds what its user's interactive login shell sets up, in bounded time, and `tranche`. */
import { chmodSync, mkdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { environmentsReplySchema, jobLogReplySchema } from '../../model/agent-protocol.ts';
import { AttachedProcess, Client, endAllIn, hasSim, TestHost, until, type Root } from './agent_process.ts';

/** A shell whose files never come to an end is waited for so long. */
const ENVIRONMENT_WAIT_MS = 10_000;

let host: TestHost;
let root: Root;
let attached: AttachedProcess;
let sliceId: string;

beforeEach(async () => {
  host = new TestHost();
  root = host.root;
  root.env['HOME'] = join(root.path, 'home');
  mkdirSync(root.env['HOME']);
  await host.start();
  const client = await Client.open(root);
  const made = await client.create({});
  sliceId = made['sliceId'] as string;
  client.close();
  attached = new AttachedProcess(root);
});

afterEach(() => {
  attached.child.kill();
  return host.end(() => endAllIn(root));
});

const inHome = (name: string) => join(root.env['HOME'] ?? '', name);

/** A bash that reads its own files for a login: as every distribution's .profile has it, only .bashrc of an interactive one. */
function bashrc(text: string): void {
  writeFileSync(inHome('.profile'), `. ~/.bashrc\n`);
  writeFileSync(inHome('.bashrc'), `case $- in *i*) ;; *) return;; esac\n${text}\n`);
}

function program(folder: string, name: string, says: string): void {
  mkdirSync(inHome(folder), { recursive: true });
  writeFileSync(join(inHome(folder), name), `#!/bin/sh\necho "${says}"\n`);
  chmodSync(join(inHome(folder), name), 0o755);
}

/** What the command printed, to its end. */
async function output(command: string, fields: Record<string, unknown> = {}): Promise<string> {
  const reply = await attached.ask('job-start', { sliceId, command, ...fields });
  expect(reply).toMatchObject({ ok: true });
  const jobId = reply['jobId'] as string;
  for (const until = Date.now() + 3 * ENVIRONMENT_WAIT_MS; Date.now() < until;) {
    const log = jobLogReplySchema.parse(await attached.ask('job-log', { jobId, offset: 0 }));
    if (log.over && log.nextOffset === log.endOffset) return log.data;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`${command} did not end`);
}

describe.skipIf(!hasSim)('the environment of a command', () => {
  test('is that of an interactive login shell, asked once and kept until its files change', async () => {
    program('tools', 'python', 'python of the lab');
    bashrc(
      'echo a greeting; echo x >> ~/asked; export PATH=~/tools:$PATH LAB="two\nlines" CUDA_VISIBLE_DEVICES=0',
    );
    expect(await output('python; echo "$LAB"; echo "$CUDA_VISIBLE_DEVICES"')).toMatch(
      /^python of the lab\ntwo\nlines\nGPU-/,
    );
    expect(await output('python')).toBe('python of the lab\n');
    expect(readFileSync(inHome('asked'), 'utf8')).toBe('x\n');
    program('tools', 'python', 'another');
    bashrc('echo y >> ~/asked; export PATH=~/tools:$PATH NEW=1');
    utimesSync(inHome('.bashrc'), new Date(0), new Date(0));
    expect(await output('python; echo $NEW')).toBe('another\n1\n');
    expect(readFileSync(inHome('asked'), 'utf8')).toBe('x\ny\n');
    const kept = join(root.path, 'root/environment', String(process.getuid?.()), 'shell');
    expect(statSync(kept).mode & 0o777).toBe(0o600);
  });

  test('has tranche in its PATH, whatever the shell made of that', async () => {
    bashrc('PATH=/usr/bin:/bin');
    expect(await output('tranche version')).toMatch(/^tranche \d/);
  });

  test(
    'does without a shell that waits, and says so',
    async () => {
      bashrc('exec sleep 1000');
      const text = await output('echo it ran');
      expect(text).toMatch(
        /did not come to an end within 10 s; the command has the environment of a login shell/,
      );
      expect(text).toMatch(/it ran\n$/);
    },
    6 * ENVIRONMENT_WAIT_MS,
  );

  test('is one that was chosen, where that is one', async () => {
    program('work/.venv/bin', 'python', 'of the venv');
    program('miniconda3/envs/train/bin', 'python', 'of conda');
    mkdirSync(inHome('miniconda3/envs/train/conda-meta'));
    mkdirSync(inHome('miniconda3/envs/empty'));
    const found = environmentsReplySchema.parse(await attached.ask('environments', { cwd: '~/work' }));
    expect(found.environments).toEqual([
      { kind: 'venv', path: inHome('work/.venv') },
      { kind: 'conda', path: inHome('miniconda3/envs/train') },
    ]);
    expect(await output('python; echo $VIRTUAL_ENV', { environment: inHome('work/.venv') })).toBe(
      `of the venv\n${inHome('work/.venv')}\n`,
    );
    expect(await output('python; echo $CONDA_PREFIX', { environment: inHome('miniconda3/envs/train') })).toBe(
      `of conda\n${inHome('miniconda3/envs/train')}\n`,
    );
    expect(await output('python', { environment: inHome('miniconda3/envs/empty') })).toMatch(
      /is no environment: there is no bin\/python in it. Nothing was run/,
    );
    expect(
      await attached.ask('job-start', { sliceId, command: 'x', environment: 'not/absolute' }),
    ).toMatchObject({
      code: 'bad-request',
    });
  });

  test('is there in a terminal, too', async () => {
    program('tools', 'python', 'python of the lab');
    bashrc('export PATH=~/tools:/usr/bin:/bin PS1="ready> "');
    const opened = await attached.ask('terminal-open', { sliceId, columns: 80, rows: 24 });
    expect(opened).toMatchObject({ ok: true });
    const terminalId = opened['terminalId'] as string;
    expect(await attached.ask('terminal-attach', { terminalId })).toMatchObject({ ok: true });
    const shown = () =>
      attached.lines
        .filter((line) => line['ev'] === 'terminal-output')
        .map((line) => Buffer.from(line['data'] as string, 'base64').toString())
        .join('');
    await until('a prompt', () => shown().includes('ready> '));
    attached.send('terminal-input', {
      terminalId,
      data: Buffer.from('python; tranche version\n').toString('base64'),
    });
    await until('both programs', () => /python of the lab[^]*tranche \d/.test(shown()));
  });
});
