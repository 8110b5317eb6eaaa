#!/usr/bin/env node
// Builds agent, shim and simulated driver with the zig toolchain from npm, for every host architecture.
// Nothing is rebuilt unless a source, a header or this script changed.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const outRoot = join(root, 'build/agent');
export const ARCHITECTURES = ['x86_64', 'aarch64'];
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/** The oldest C library we run on; scripts/check-native.mjs verifies it. */
const GLIBC_FLOOR = '2.17';
const WARNINGS = ['-Wall', '-Wextra', '-Werror'];
const COMMON = [
  '-std=gnu11',
  '-D_GNU_SOURCE', // here and not in each file: a header before the guard would decide it otherwise
  '-O2',
  '-s',
  '-fvisibility=hidden',
  '-ffunction-sections',
  '-fdata-sections',
  ...WARNINGS,
  `-DTRANCHE_VERSION="${version}"`,
];
const NO_FRAMES = '-fomit-frame-pointer'; // a launch passes through the shim in a dozen instructions
// Words that were just written one by one are read one by one: a wider read waits for them to reach the cache.
const WORDS = '-fno-slp-vectorize';
const HARDEN = ['-Wl,--gc-sections', '-Wl,-z,relro', '-Wl,-z,now', '-fstack-protector-strong'];
const NO_COPIES = ['-mllvm', '-inline-threshold=0'];
const LIBRARIES = ['-lpthread', '-ldl', '-lrt'];
const SHARED = ['-shared', '-fPIC', '-Wl,-z,defs', '-Wl,-z,nodelete', '-ftls-model=initial-exec'];

const TARGETS = [
  {
    file: 'libtranche.so',
    folders: ['agent/common', 'agent/shim'],
    // The program's own end of coming behind the gate.
    sources: ['agent/gate/filter.c', 'agent/gate/hand_over.c', 'agent/gate/late_gate.c'],
    flags: [
      '-Iagent/gate',
      ...SHARED,
      ...HARDEN,
      NO_FRAMES,
      WORDS,
      '-Wl,-soname,libtranche.so',
      '-Wl,--version-script=agent/shim/cuda/exports.map',
    ],
  },
  // -Os: it waits most of the time, and it is sent to every host. No unwind tables: nothing in it throws or unwinds, and
  // they were a tenth of it. (The shim keeps them: other people's programs unwind through it.) And nothing is copied into
  // its callers that makes them longer (4 KiB).
  {
    file: 'tranche',
    folders: ['agent/common', 'agent/door', 'agent/gate', 'agent/src'],
    flags: [
      '-fPIE',
      '-pie',
      '-Os',
      ...NO_COPIES,
      '-fno-unwind-tables',
      '-fno-asynchronous-unwind-tables',
      ...HARDEN,
    ],
  },
  {
    file: 'sim/libcuda.so.1',
    folders: ['agent/sim/common', 'agent/sim/cuda'],
    sources: ['agent/common/life.c', 'agent/common/proc_stat.c'],
    flags: [...SHARED, '-Wl,-soname,libcuda.so.1'],
    only: 'x86_64',
    libraries: ['-lm'],
  },
  {
    file: 'sim/libnvidia-ml.so.1',
    folders: ['agent/sim/common', 'agent/sim/nvml'],
    sources: ['agent/common/life.c', 'agent/common/nested.c', 'agent/common/proc_stat.c'],
    flags: [...SHARED, '-Wl,-soname,libnvidia-ml.so.1'],
    only: 'x86_64',
    libraries: ['-lm'],
  },
  {
    file: 'sim/tranche-sim-workload',
    folders: ['agent/sim/workload'],
    flags: ['-fPIE', '-pie'],
    only: 'x86_64',
    libraries: ['-lm'],
  },
];

/** Of a folder and those below it. */
const listFiles = (folder, suffixes) =>
  existsSync(join(root, folder))
    ? readdirSync(join(root, folder), { recursive: true })
        .filter((name) => suffixes.some((suffix) => name.endsWith(suffix)))
        .sort()
        .map((name) => join(folder, name))
    : [];

const zigPath = () => {
  const require = createRequire(join(root, 'package.json'));
  try {
    return require.resolve(`@zigc/${process.platform}-${process.arch}/bin/zig`);
  } catch {
    return null;
  }
};

function fingerprint(target, arch) {
  const hash = createHash('sha256');
  hash.update(JSON.stringify([target, arch, version, COMMON]));
  const includes = ['agent/common', 'agent/vendor', 'agent/sim', ...target.folders];
  for (const folder of new Set(includes)) {
    for (const file of listFiles(folder, ['.c', '.h', '.def', '.map', '.S'])) {
      hash.update(file).update(readFileSync(join(root, file)));
    }
  }
  hash.update(readFileSync(fileURLToPath(import.meta.url)));
  return hash.digest('hex');
}

function buildTarget(zig, target, arch) {
  const sources = [
    ...target.folders.flatMap((folder) => listFiles(folder, ['.c', '.S'])),
    ...(target.sources ?? []),
  ];
  if (!target.folders.every((folder) => listFiles(folder, ['.c']).length > 0)) {
    throw new Error(`${target.file}: no sources in ${target.folders.join(', ')}`);
  }
  const out = join(outRoot, arch, target.file);
  const stamp = join(root, '.cache/build-agent', arch, `${target.file.replaceAll('/', '_')}.sha256`);
  const wanted = fingerprint(target, arch);
  if (existsSync(out) && existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return 'unchanged';
  mkdirSync(join(out, '..'), { recursive: true });
  mkdirSync(join(stamp, '..'), { recursive: true });
  const includes = ['agent/common', 'agent/vendor', ...target.folders].map((folder) => `-I${folder}`);
  const temporary = `${out}.new`;
  rmSync(temporary, { force: true });
  const started = Date.now();
  execFileSync(
    zig,
    [
      'cc',
      '-target',
      `${arch}-linux-gnu.${GLIBC_FLOOR}`,
      ...COMMON,
      ...includes,
      ...target.flags,
      '-o',
      temporary,
      ...sources,
      ...LIBRARIES,
      ...(target.libraries ?? []),
    ],
    {
      cwd: root,
      stdio: ['ignore', 'inherit', 'inherit'],
      env: {
        ...process.env,
        ZIG_GLOBAL_CACHE_DIR: join(root, '.cache/zig'),
        ZIG_LOCAL_CACHE_DIR: join(root, '.cache/zig'),
      },
    },
  );
  // zig's driver can exit 0 without an output when it was killed; a missing file must not look like success.
  if (!existsSync(temporary) || statSync(temporary).size === 0)
    throw new Error(`${relative(root, out)} was not written`);
  renameSync(temporary, out);
  writeFileSync(stamp, wanted);
  return `${((Date.now() - started) / 1000).toFixed(1)} s`;
}

/** Builds what is missing or out of date. Takes finished binaries from TRANCHE_AGENT_DIR where zig cannot run. */
export function buildAgent({ architectures = ARCHITECTURES, only = [], say = console.log } = {}) {
  const ready = process.env['TRANCHE_AGENT_DIR'];
  if (ready) {
    cpSync(ready, outRoot, { recursive: true });
    say(`agent: taken from ${ready}`);
    return;
  }
  const zig = zigPath();
  if (!zig) {
    throw new Error(
      `The agent is built on Linux x64 (no compiler package for ${process.platform}-${process.arch}). Set TRANCHE_AGENT_DIR to a folder with x86_64/ and aarch64/ from a release.`,
    );
  }
  for (const arch of architectures) {
    for (const target of TARGETS) {
      if (target.only && target.only !== arch) continue;
      if (only.length > 0 && !only.some((name) => target.file.startsWith(name))) continue;
      const result = buildTarget(zig, target, arch);
      if (result !== 'unchanged') say(`agent: ${arch}/${target.file} built in ${result}`);
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    buildAgent({ only: process.argv.slice(2) });
    console.log('agent: up to date in build/agent');
  } catch (error) {
    console.error(`build:agent failed: ${error instanceof Error ? error.message : String(error)}`);
    process.exit(1);
  }
}
