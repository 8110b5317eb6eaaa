#!/usr/bin/env node
// Fuzzes what reads other people's bytes, led by coverage: the targets of test/fuzz/targets.c under libFuzzer and the
// sanitizers. `npm run fuzz [-- --seconds N] [target …]`; N seconds for each (60). What breaks a target is kept in
// test-results/fuzz and replayed by giving the file to the program named there. Needs clang with its runtimes.
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const SECONDS_DEFAULT = 60;
const SLACK_MS = 60_000;
const TARGETS = ['line', 'state', 'settings', 'audit', 'cgroup', 'history', 'regions'];
/** One good example each; libFuzzer goes on from there. */
const EXAMPLES = {
  line: '{"id":7,"op":"slice-create","gpuUuid":"GPU-1","memoryLimitBytes":1073741824,"name":"m\\u00e9"}',
  state: '{"kind":"tranche-slices","format":1,"revision":9}\n',
  settings: '{"memoryOvercommitMaxPercent":150,"subject":"@a","memoryBytesMax":9,"slicesMax":2}\n',
  audit: '{"seq":1,"atMs":1763827200000,"action":"slice-create","sliceId":"s-00000000000000aa","uid":0}\n',
  cgroup:
    '0::/kubepods.slice/kubepods-pod1f2e3d4c_5b6a_7980_91a2_b3c4d5e6f708.slice/crio-3f2a91c0b1de4c55a0f4d2b6e8970123456789abcdef0123456789abcdef0123.scope\n1:a:/slurm/job_1\n',
  history: '\u0001\0\0\0\0\0\0\0',
  regions: '\u0001\0\0\0\u00ff\u00ff\u00ff\u00ff',
};
const SOURCES = [
  ...['json', 'text', 'fs', 'log', 'region_file', 'admit', 'proc_stat', 'life', 'host_clock', 'bucket'].map(
    (name) => `agent/common/${name}.c`,
  ),
  ...[
    'state/slice',
    'state/undo',
    'state/slice_settings',
    'state/slice_store',
    'records/history',
    'state/settings',
    'state/quota',
    'state/admission',
    'base/groups',
    'base/workload',
    'base/people',
    'base/failure',
    'base/line',
  ].map((name) => `agent/src/${name}.c`),
];

function run(target, seconds) {
  const program = join(root, 'build/fuzz', target);
  const corpus = join(root, 'build/fuzz/corpus', target);
  const found = join(root, 'test-results/fuzz/');
  for (const folder of [corpus, found]) mkdirSync(folder, { recursive: true });
  writeFileSync(join(corpus, 'example'), Buffer.from(EXAMPLES[target], 'latin1'));
  const flags = [
    '-g',
    '-O1',
    '-std=gnu11',
    '-D_GNU_SOURCE',
    '-fsanitize=fuzzer,address,undefined',
    '-fno-sanitize-recover=all',
  ];
  const includes = ['common', 'vendor', 'src', 'sim', 'sim/common'].map((name) => `-Iagent/${name}`);
  const built = spawnSync(
    'clang',
    [
      ...flags,
      ...includes,
      `-DFUZZ_TARGET="${target}"`,
      'test/fuzz/targets.c',
      ...SOURCES,
      '-o',
      program,
      '-lm',
    ],
    { cwd: root, encoding: 'utf8' },
  );
  if (built.status !== 0) return { ok: false, says: `does not compile\n${built.stderr.slice(-2000)}` };
  const options = [
    `-max_total_time=${seconds}`,
    '-max_len=65536',
    '-timeout=10',
    `-artifact_prefix=${found}${target}-`,
  ];
  const done = spawnSync(program, [...options, corpus], {
    cwd: root,
    encoding: 'utf8',
    timeout: seconds * 1000 + SLACK_MS,
    maxBuffer: 64 * 1024 * 1024,
  });
  const count = /Done (\d+) runs/.exec(done.stderr)?.[1];
  if (done.status === 0 && count) return { ok: true, says: `${count} inputs` };
  return { ok: false, says: `${program}: exit ${done.status ?? done.signal}\n${done.stderr.slice(-3000)}` };
}

const words = process.argv.slice(2);
const at = words.indexOf('--seconds');
const seconds = at < 0 ? SECONDS_DEFAULT : Number(words.splice(at, 2)[1]);
if (!Number.isInteger(seconds) || seconds < 1) {
  console.error('--seconds wants a whole number of seconds');
  process.exit(2);
}
if (spawnSync('clang', ['--version']).error) {
  console.log('skipped: clang is not installed (apt-get install clang libclang-rt-dev)');
  process.exit(77);
}
let failed = 0;
for (const target of TARGETS.filter((name) => words.length === 0 || words.includes(name))) {
  const { ok, says } = run(target, seconds);
  failed += ok ? 0 : 1;
  console.log(`${ok ? 'ok  ' : 'FAIL'} ${target}: ${says}`);
}
process.exit(failed === 0 ? 0 : 1);
