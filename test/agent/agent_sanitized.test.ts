/** The agent's loop under the address and undefined behaviour sanitizers: whatever a report names fails the test. */
import { spawnSync, type ChildProcess } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Job } from '../../model/job.ts';
import {
  AttachedProcess,
  binDir,
  Client,
  GIB,
  goldenLines,
  GPU0,
  hasSim,
  TestHost,
  until,
  workload,
  type Line,
  type Root,
  type RunningAgent,
} from './agent_process.ts';
import { buildSanitized, hasGcc } from './build_sanitized.ts';

const EDITS = 120;
let binary = '';

/** Exit status of a sanitizer that found something: none of the agent's own. */
const REPORT_STATUS = 99;

let host: TestHost;
let root: Root;
let agent: RunningAgent;

/** Ends the agent as a person would: leaks are looked for when it exits. */
async function endCleanly(): Promise<void> {
  await agent.stop('SIGTERM');
  expect(agent.log()).not.toMatch(/runtime error|AddressSanitizer|LeakSanitizer/);
  expect(await agent.ended).toBe(0);
}

describe.skipIf(!hasSim || !hasGcc)('the sanitized agent', () => {
  beforeAll(() => {
    binary = buildSanitized('tranche-asan');
  });

  beforeEach(async () => {
    host = new TestHost();
    root = host.root;
    const options = `exitcode=${String(REPORT_STATUS)}:detect_leaks=1:detect_stack_use_after_return=1`;
    root.env['ASAN_OPTIONS'] = options;
    root.env['UBSAN_OPTIONS'] = `print_stacktrace=1:exitcode=${String(REPORT_STATUS)}`;
    agent = await host.start({ bin: binary });
    expect(agent.log()).toContain(' listens on ');
  });

  afterEach(() => host.end());

  test('stands the golden requests, in whole lines and byte by byte', async () => {
    const client = await Client.open(root);
    const lines = goldenLines('requests.jsonl').map(({ line }) => (line as string).replace('$GPU0', GPU0));
    for (const line of lines) await client.raw(line);
    client.close();
    const slow = await Client.open(root);
    for (const line of lines.slice(0, 10)) {
      for (const byte of Buffer.from(line)) {
        await new Promise<void>((resolve) => {
          slow.socket.write(Buffer.of(byte), () => resolve());
        });
      }
      await slow.raw('');
    }
    slow.close();
    await endCleanly();
  });

  test('stands a line of 10 MB and connections that break off anywhere', async () => {
    const client = await Client.open(root);
    client.socket.write('x'.repeat(10_000_000));
    const reply = await until('the error', () => client.lines[0]);
    expect(reply).toMatchObject({ code: 'line-too-long' });
    await until('the end of the connection', () => client.closed);
    for (let length = 0; length < 60; length += 1) {
      const broken = await Client.open(root);
      broken.socket.write(
        '{"id":1,"op":"subscribe","sampleIntervalMs":100}\n{"id":2,"op":"doctor"}\n'.slice(0, length),
      );
      broken.close();
    }
    const other = await Client.open(root);
    expect(await other.ask('unsubscribe')).toMatchObject({ ok: true });
    other.close();
    await endCleanly();
  });

  test('stands a stream of edits while programs come, are killed, and listeners leave', async () => {
    const client = await Client.open(root);
    const made = await client.create({ memoryLimitBytes: 8 * GIB, name: 'busy' });
    expect(made).toMatchObject({ ok: true });
    await client.ask('subscribe', { sampleIntervalMs: 100 });
    const programs: ChildProcess[] = [];
    for (let edit = 0; edit < EDITS; edit += 1) {
      if (edit % 20 === 0) {
        // The released binary starts the program: it speaks to the agent that runs.
        const args = [workload, 'greedy', '--memory', String(GIB), '--seconds', '60'];
        const program = host.run('busy', args, { env: { ASAN_OPTIONS: '' } });
        programs.push(program);
        await client.event('sample', (line) =>
          (line['processes'] as { pid: number }[]).some(({ pid }) => pid === program.pid),
        );
      }
      if (edit % 20 === 10) programs.at(-1)?.kill('SIGKILL');
      const reply = await client.ask('slice-resize', {
        sliceId: made['sliceId'],
        memoryLimitBytes: (1 + (edit % 8)) * GIB,
        computeLimitPercent: 1 + (edit % 100),
      });
      expect(reply).toMatchObject({ ok: true });
      if (edit % 3 === 0)
        expect(await client.ask('undo', { undoToken: reply['undoToken'] })).toMatchObject({ ok: true });
      if (edit % 5 === 0) {
        const extra = await client.create({ memoryLimitBytes: GIB, computeLimitPercent: 10, name: null });
        const gone = await client.ask('slice-delete', {
          sliceId: extra['sliceId'],
          revision: extra['revision'],
        });
        expect(gone).toMatchObject({ ok: true });
      }
      if (edit % 7 === 0) {
        const passing = await Client.open(root);
        await passing.ask('subscribe', { sampleIntervalMs: 100 });
        await passing.ask('history', { gpuUuid: GPU0, fromMs: 0, toMs: Date.now(), maxPoints: 2000 });
        passing.close();
      }
    }
    for (const program of programs) program.kill('SIGKILL');
    const last = Number(client.lines.findLast((line) => line['ev'] === 'sample')?.['seq']);
    await client.event(
      'sample',
      (line) => Number(line['seq']) > last && (line['processes'] as unknown[]).length === 0,
    );
    client.close();
    await endCleanly();
  });

  test('stands jobs that wait, run, are displaced, cancelled and lost, and so do their supervisors', async () => {
    // Supervisors have no terminal: what a sanitizer finds in them goes into files.
    const reports = join(root.path, 'reports');
    mkdirSync(reports);
    for (const name of ['ASAN_OPTIONS', 'UBSAN_OPTIONS'])
      root.env[name] = `${root.env[name] ?? ''}:log_path=${reports}/report`;
    copyFileSync(join(binDir, 'libtranche.so'), join(binary, '../libtranche.so'));
    const client = await Client.open(root);
    await client.create({ memoryLimitBytes: GIB, name: 'line' });
    await client.ask('subscribe', { sampleIntervalMs: 100 });
    const job = (command: string, ...options: string[]): string => {
      const args = [
        'job',
        'start',
        '--slice',
        'line',
        ...options,
        '--',
        'sh',
        '-c',
        `unset LD_PRELOAD; ${command}`,
      ];
      const run = host.tranche(args, { bin: binary });
      expect(run.stderr).toBe('');
      return run.stdout.trim();
    };
    const rows = () => (client.lines.findLast((line) => line['ev'] === 'jobs')?.['jobs'] ?? []) as Job[];
    const is = (id: string, ...states: string[]) =>
      until(`job ${id} to be ${states.join(' or ')}`, () =>
        rows().find((row) => row.id === id && states.includes(row.state)),
      );
    const low = job(
      'trap "exit 0" TERM; while :; do echo x; sleep 0.02; done',
      '--priority',
      'low',
      '--requeue',
    );
    await is(low, 'running');
    const high = job('echo high', '--priority', 'high');
    await is(high, 'ended');
    const waits = job('true', '--priority', 'low', '--min-free', '512m');
    await client.ask('job-hold', { jobId: waits });
    await client.ask('job-first', { jobId: waits });
    await is(low, 'running');
    await client.ask('job-cancel', { jobId: low, kill: true });
    await is(low, 'cancelled');
    await client.ask('job-release', { jobId: waits });
    await is(waits, 'ended');
    const log = host.tranche(['job', 'log', low], { bin: binary });
    expect(log.stdout).toContain('--- tranche: run 2 ---');
    const listed = host.tranche(['job', 'ls'], { bin: binary });
    expect(listed.stdout).toContain('cancelled');
    const asked = [
      { id: 1, op: 'job-start', sliceId: rows()[0]?.sliceId, command: 'echo "\\u00fc"; exit 4' },
      { id: 2, op: 'job-log', jobId: low },
      { id: 3, op: 'job-log', jobId: low, offset: 3, maxBytes: 17 },
      { id: 4, op: 'job-start', sliceId: 's-0000000000000000', command: 'x' },
    ];
    const input = asked.map((one) => `${JSON.stringify(one)}\n`).join('');
    const attached = host.tranche(['attach', 'x'], { bin: binary, input });
    expect(attached.stdout.match(/"ok":true/g)).toHaveLength(3);
    await until('the attached one to end', () => rows().some((row) => row.exitCode === 4));
    client.close();
    await endCleanly();
    expect(readdirSync(reports)).toEqual([]);
  });

  test('stands a terminal from its opening to its end, and whatever a connection says to it', async () => {
    const reports = join(root.path, 'reports');
    mkdirSync(reports);
    root.env['ASAN_OPTIONS'] = `${root.env['ASAN_OPTIONS'] ?? ''}:log_path=${reports}/asan`;
    root.env['UBSAN_OPTIONS'] = `${root.env['UBSAN_OPTIONS'] ?? ''}:log_path=${reports}/ubsan`;
    copyFileSync(join(binDir, 'libtranche.so'), join(binary, '../libtranche.so'));
    const client = await Client.open(root);
    const made = await client.create({ memoryLimitBytes: GIB, computeLimitPercent: 10, name: null });
    client.close();
    const attached = new AttachedProcess(root, [binary, 'attach', 'x']);
    host.keep(attached.child);
    const terminalId = (
      await attached.ask('terminal-open', { sliceId: made['sliceId'], columns: 80, rows: 24 })
    )['terminalId'];
    await attached.ask('terminal-attach', { terminalId });
    for (const { line } of goldenLines('terminals.jsonl').slice(7, -1)) {
      const {
        op,
        id: _,
        ...fields
      } = JSON.parse((line as string).replaceAll('$TERMINAL', String(terminalId))) as Line;
      await attached.ask(op as string, fields);
    }
    const data = Buffer.from('seq 100000 | head -c 300000; exit 7\n').toString('base64');
    await attached.ask('terminal-input', { terminalId, data });
    attached.onLine = (line) => {
      if (line['ev'] !== 'terminal-output') return;
      const bytes = Buffer.from(line['data'] as string, 'base64').length;
      attached.send('terminal-ack', { terminalId, offset: (line['offset'] as number) + bytes });
    };
    const last = attached.lines.findLast((line) => line['ev'] === 'terminal-output');
    if (last) attached.onLine(last);
    // The shim comes before the sanitizer in what `run` starts, which may be all that this shell says.
    await until('its end', () => attached.lines.find((line) => line['ev'] === 'terminal-ended'));
    await attached.ask('terminal-close', { terminalId });
    await until('its folder to go', () => {
      const kept = join(root.path, 'root/terminals', String(process.getuid?.()));
      return existsSync(kept) && readdirSync(kept).length === 0;
    });
    await endCleanly();
    expect(readdirSync(reports)).toEqual([]);
  });

  test('a report would be seen', () => {
    const source =
      '#include <stdlib.h>\nint main(int c, char **v) { (void)v; char *p = malloc(4); return p[3 + c]; }\n';
    const bad = join(binary, '..', 'tranche-asan-bad');
    const made = spawnSync('gcc', ['-x', 'c', '-fsanitize=address,undefined', '-o', bad, '-'], {
      input: source,
    });
    expect(made.status).toBe(0);
    const result = spawnSync(bad, { env: root.env, encoding: 'utf8' });
    expect(result.status).toBe(REPORT_STATUS);
    expect(result.stderr).toContain('AddressSanitizer');
  });
});
