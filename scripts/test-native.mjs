#!/usr/bin/env node
// Compiles and runs test/agent/*_test.c with gcc and the sanitizers each one asks for in its opening comment:
//   build: extra sources        sanitize: address,undefined | thread | none        needs: native (built .so files)
// Exit codes of a test: 0 passed, 77 skipped (it says why), anything else failed.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = join(root, 'test/agent');
const buildDir = join(root, 'build/test-native');
/** Longest a single C test may run; the races run 10,000 rounds. */
const TEST_TIMEOUT_MS = 300_000;
const SKIPPED = 77;

const field = (text, name) =>
  new RegExp(`^[ */]*${name}:[ \\t]*(.*?)[ \\t]*(?:\\*/)?$`, 'm').exec(text)?.[1] ?? '';

function sanitizersOf(text) {
  const asked = field(text, 'sanitize');
  return asked === '' ? ['address,undefined'] : asked.split('|').map((one) => one.trim());
}

function compile(source, text, sanitizer, out) {
  const extra = field(text, 'build').split(/\s+/).filter(Boolean);
  const flags = sanitizer === 'none' ? [] : [`-fsanitize=${sanitizer}`, '-fno-sanitize-recover=all'];
  const includes = [
    'agent/common',
    'agent/vendor',
    'agent/src',
    'agent/gate',
    'agent/door',
    'agent/shim',
    'agent/sim',
    'agent/sim/common',
    'test/agent',
  ].map((f) => `-I${f}`);
  const args = [
    '-std=gnu11',
    '-D_GNU_SOURCE',
    '-O1',
    '-g',
    '-Wall',
    '-Wextra',
    '-Werror',
    '-UNDEBUG',
    ...flags,
    ...field(text, 'flags').split(/\s+/).filter(Boolean),
    ...includes,
    source,
    ...extra,
    '-o',
    out,
    '-lpthread',
    '-ldl',
    '-lrt',
    '-lm',
  ];
  return spawnSync('gcc', args, { cwd: root, encoding: 'utf8' });
}

/** A report of a sanitizer is a finding, however rare: it has no second try. */
const isFinding = (output) => /\b\w+Sanitizer\b|runtime error:/.test(output);

function runOnce(out) {
  const started = Date.now();
  const result = spawnSync(out, [], {
    cwd: root,
    encoding: 'utf8',
    timeout: TEST_TIMEOUT_MS,
    maxBuffer: 64 * 1024 * 1024,
    env: {
      ...process.env,
      BUILD_DIR: 'build/agent/x86_64',
      NODE: process.execPath,
      TSAN_OPTIONS: 'halt_on_error=1',
      ASAN_OPTIONS: 'detect_leaks=1',
    },
  });
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  const output = `${result.stdout ?? ''}${result.stderr ?? ''}`;
  const how = result.error ? result.error.message : `exit ${result.status ?? result.signal}`;
  return { status: result.status, output, why: `${how}, ${seconds} s\n${output.slice(-6000)}`, seconds };
}

function runTest(label, out, tries, outcome) {
  for (let attempt = 1; ; attempt += 1) {
    const { status, output, why, seconds } = runOnce(out);
    if (status === 0) {
      outcome.counts.passed += 1;
      console.log(`ok   ${label} ${seconds} s`);
      return;
    }
    if (status === SKIPPED) {
      outcome.counts.skipped += 1;
      console.log(`SKIP ${label}: ${output.trim().split('\n').at(-1) ?? ''}`);
      return;
    }
    if (attempt === tries || isFinding(output)) {
      fail(outcome, label, why);
      return;
    }
    console.log(`AGAIN ${label} (${why})`);
    outcome.retried.push({ name: label, why });
  }
}

function fail(outcome, name, why) {
  outcome.counts.failed += 1;
  outcome.failures.push({ name, why });
  outcome.retried = outcome.retried.filter((one) => one.name !== name);
  console.log(`FAIL ${name} (${why})`);
}

/**
 * Runs every C test whose file name holds `only`, one that fails up to `tries` times; returns counts, who failed and why,
 * and who passed at a later try only.
 */
export function testNative(only = '', tries = 1) {
  mkdirSync(buildDir, { recursive: true });
  const outcome = { counts: { passed: 0, failed: 0, skipped: 0 }, failures: [], retried: [] };
  const files = readdirSync(folder)
    .filter((name) => name.endsWith('_test.c') && name.includes(only))
    .sort();
  if (spawnSync('gcc', ['--version']).error) {
    const why = 'gcc is not installed (apt-get install gcc libc6-dev)';
    console.log(`SKIP ${files.length} C tests: ${why}`);
    if (process.env['CI'] === 'true') fail(outcome, 'C tests', why);
    else outcome.counts.skipped += files.length;
    return outcome;
  }
  for (const name of files) {
    const text = readFileSync(join(folder, name), 'utf8').slice(0, 4096);
    for (const sanitizer of sanitizersOf(text)) {
      const label = `${name} [${sanitizer}]`;
      const out = join(buildDir, `${name}.${sanitizer.replace(/\W/g, '_')}`);
      const compiled = compile(join('test/agent', name), text, sanitizer, out);
      if (compiled.status === 0) runTest(label, out, tries, outcome);
      else fail(outcome, label, `does not compile\n${compiled.stderr || String(compiled.error)}`);
    }
  }
  return outcome;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { counts } = testNative(process.argv[2] ?? '');
  console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
  process.exit(counts.failed === 0 ? 0 : 1);
}
