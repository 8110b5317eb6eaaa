#!/usr/bin/env node
// `npm run storm [-- ROUNDS]`: programs behind the gate, and what stands above them, killed with SIGKILL in the middle of
// requests: the program, its supervisor, its front end, the agent, in turn. After each round nothing may be charged, and
// nobody may hang; while it goes on, a program of the same slice that is left alone has to be refused beyond the limit.
// A private root with the simulated driver, /dev/null and /dev/zero for its devices. Minutes, so by hand. 77: cannot run.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './setup.mjs';

const SKIPPED = 77;
const WAIT_MS = 20_000;
/** Programs at once: as many rounds go on side by side, each with its own victim. */
const AT_ONCE = 8;
/** The agent is one of the victims once in so many rounds. */
const AGENT_EVERY = 100;
const HUNDRED_MS = 600_000;
/** A program asks for so long, if it lives: one whose supervisor is gone is told so each time, and ends by itself. */
const ASKS_MS = 600;
const VICTIMS = ['program', 'supervisor', 'front end'];
const rounds = Number(process.argv[2] ?? 10_000);

const build = join(root, 'build/agent/x86_64');
const folder = mkdtempSync(join(tmpdir(), 'tranche-storm-'));
const [devices, sim, requester] = ['devices', 'sim', 'requester'].map((name) => join(folder, name));
for (const path of [devices, sim]) mkdirSync(path);
symlinkSync('/dev/null', join(devices, 'nvidiactl'));
for (const name of ['nvidia0', 'nvidia1', 'nvidia-uvm']) symlinkSync('/dev/zero', join(devices, name));
const env = {
  PATH: process.env['PATH'],
  HOME: folder,
  TRANCHE_ROOT: join(folder, 'root'),
  TRANCHE_SIM_DIR: sim,
  TRANCHE_SIM_RM_DEVICES: devices,
  TRANCHE_DRIVER_DIR: join(build, 'sim'),
  LD_LIBRARY_PATH: join(build, 'sim'),
};
const tranche = join(build, 'tranche');
execFileSync('gcc', [
  '-std=gnu11',
  '-O1',
  `-I${join(root, 'test/agent')}`,
  join(root, 'test/agent/gate_requester.c'),
  '-o',
  requester,
  '-lpthread',
]);

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
async function until(what, check, limitMs = WAIT_MS) {
  const deadline = Date.now() + limitMs;
  for (;;) {
    const found = await check();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`waited ${limitMs} ms for ${what}`);
    await pause(2);
  }
}

/** Processes of this root's agent: a `run` that finds none starts one, so it may not be ours. */
function agents() {
  return readdirSync('/proc')
    .filter((name) => /^[0-9]+$/.test(name))
    .filter((pid) => {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
        const mine = readFileSync(`/proc/${pid}/environ`, 'utf8').includes(
          `TRANCHE_ROOT=${env.TRANCHE_ROOT}\0`,
        );
        return words[1] === 'agent' && mine;
      } catch {
        return false; // it ended meanwhile
      }
    })
    .map(Number);
}

async function startAgent() {
  const agent = spawn(tranche, ['agent', '--foreground'], { env, stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  agent.stderr.on('data', (data) => (log += data));
  await until('the agent to listen', () => / listens on |another agent manages/.test(log)).catch((error) => {
    throw new Error(`${error.message}; it said: ${log || 'nothing'}`);
  });
}

async function killAgents() {
  const there = agents();
  for (const pid of there) kill(pid);
  await until('the agent to end', () => agents().every((pid) => !there.includes(pid)));
}

/** The newest sample of `ls --json`. */
function sample() {
  const said = spawnSync(tranche, ['ls', '--json'], { env, encoding: 'utf8', timeout: WAIT_MS });
  return JSON.parse(said.stdout.trim().split('\n').at(-1) ?? 'null');
}

const childrenOf = (pid) => {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
      .trim()
      .split(' ')
      .filter(Boolean)
      .map(Number);
  } catch {
    return [];
  }
};
const kill = (pid) => {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
};

/** One program that asks and frees without end, and one of its three killed a moment after it began. False: too late. */
async function round(at, counts) {
  const victim = VICTIMS[at % VICTIMS.length];
  const words = [
    'run',
    '--slice',
    'storm',
    '--gate',
    '--',
    requester,
    '/dev/null',
    '/dev/zero',
    'a:1:1',
    `D:64:2:${ASKS_MS}`,
  ];
  const child = spawn(tranche, words, { env, stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = new Promise((resolve) => child.on('exit', (code, signal) => resolve(signal ?? code)));
  let text = '';
  child.stdout.on('data', (data) => (text += data));
  await until(
    'the program to ask',
    () => text.startsWith('y') || child.exitCode !== null || child.signalCode !== null,
  );
  const [supervisor] = childrenOf(child.pid);
  const [program] = supervisor === undefined ? [] : childrenOf(supervisor);
  if (program === undefined) {
    await ended; // it was done before we looked: a busy machine
    counts.set('too late', (counts.get('too late') ?? 0) + 1);
    return false;
  }
  await pause(at % 7);
  kill({ program, supervisor, 'front end': child.pid }[victim]);
  const how = await Promise.race([ended, pause(WAIT_MS).then(() => 'hangs')]);
  kill(program);
  counts.set(`${victim}: ${how}`, (counts.get(`${victim}: ${how}`) ?? 0) + 1);
  if (how === 'hangs') throw new Error(`round ${at}: with its ${victim} killed, it hangs`);
  return true;
}

const counts = new Map();
let status = 1;
try {
  const probe = spawnSync(tranche, ['doctor', '--json'], {
    env: { ...env, TRANCHE_ROOT: '/nonexistent' },
    encoding: 'utf8',
  });
  if (!JSON.parse(probe.stdout).some(({ code }) => code === 'gate')) {
    console.log('skipped: this kernel does not let the gate be');
    status = SKIPPED;
  } else {
    await startAgent();
    execFileSync(
      tranche,
      ['slice', 'create', '--gpu', '0', '--name', 'storm', '--memory', '1g', '--compute', '100'],
      { env },
    );
    const began = Date.now();
    let next = 0;
    let restarts = 0;
    const worker = async () => {
      while (next < rounds) {
        const at = next;
        next += 1;
        while (!(await round(at, counts)));
      }
    };
    const restartAgents = async () => {
      for (let due = AGENT_EVERY; due < rounds; due += AGENT_EVERY) {
        await until('the next hundred rounds', () => next >= due, HUNDRED_MS);
        await killAgents();
        await startAgent();
        restarts += 1;
      }
    };
    await Promise.all([...Array.from({ length: AT_ONCE }, worker), restartAgents()]);
    const left = await until('nothing to be charged', () => {
      const now = sample();
      return now?.slices?.[0]?.memoryUsedBytes === 0 && now.processes.length === 0 ? now : null;
    });
    // The limit is in force: what is beyond it is refused, what is below is not.
    const last = spawnSync(
      tranche,
      ['run', '--slice', 'storm', '--gate', '--', requester, '/dev/null', '/dev/zero', 'a:1:1000', 'a:2:100'],
      {
        env,
        encoding: 'utf8',
        timeout: WAIT_MS,
      },
    );
    if (last.stdout !== 'yn.\n')
      throw new Error(`after it, the limit answers “${last.stdout}”, not “yn.”: ${last.stderr}`);
    const entries = readdirSync(join(env.TRANCHE_ROOT, 'run/usage'));
    console.log(
      JSON.stringify({
        id: 'gate.death',
        rounds,
        agentRestarts: restarts,
        leftChargedBytes: left.slices[0].memoryUsedBytes,
        hung: 0,
        ends: Object.fromEntries([...counts].sort()),
        usageFiles: entries.length,
        seconds: Math.round((Date.now() - began) / 1000),
      }),
    );
    status = 0;
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  console.error(Object.fromEntries(counts));
} finally {
  await killAgents();
  rmSync(folder, { recursive: true, force: true });
}
process.exit(status);
