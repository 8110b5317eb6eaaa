#!/usr/bin/env node
// What the binaries we put on other people's machines must never do. Each check names the failure it prevents.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const SIZE_LIMIT_BYTES = 600 * 1024;
const GLIBC_FLOOR = [2, 17];
let failed = 0;

const run = (command, args) => execFileSync(command, args, { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
function verdict(good, what, why) {
  console.log(`${good ? 'PASS' : 'FAIL'} ${what}`);
  if (!good) {
    console.log(`     ${why}`);
    failed += 1;
  }
}

/** dlsym and the functions of agent/shim/cuda/hooks.def; agent/shim/cuda/exports.map lets exactly these prefixes through. */
function allowedExports() {
  const hooks = readFileSync(join(root, 'agent/shim/cuda/hooks.def'), 'utf8');
  return ['dlsym', ...[...hooks.matchAll(/^HOOK\(\w+, \w+, (\w+),/gm)].map((match) => match[1] ?? '')];
}

function dynamicSymbols(file) {
  return run('objdump', ['-T', file])
    .split('\n')
    .map((line) => /^[0-9a-f]+ (.{7}) (\S+)\s+[0-9a-f]+\s+(?:\(?(\S+?)\)?\s+)?(\S+)$/.exec(line))
    .filter((match) => match !== null)
    .map((match) => ({ defined: match[2] !== '*UND*', name: match[4] ?? '' }));
}

function checkCommon(arch, file) {
  const path = join(root, 'build/agent', arch, file);
  const label = `${arch}/${file}`;
  const versions = [...run('objdump', ['-T', path]).matchAll(/GLIBC_(\d+)\.(\d+)/g)].map((m) => [
    Number(m[1]),
    Number(m[2]),
  ]);
  const above = versions.filter(([major, minor]) => major > GLIBC_FLOOR[0] || minor > GLIBC_FLOOR[1]);
  verdict(
    above.length === 0,
    `${label}: no GLIBC symbol above ${GLIBC_FLOOR.join('.')}`,
    `needs GLIBC_${above[0]?.join('.')}: it would not start on older hosts`,
  );
  const headers = run('readelf', ['-d', '-W', path]);
  const needed = [...headers.matchAll(/\(NEEDED\).*\[(.+)\]/g)].map((match) => match[1] ?? '');
  const nvidia = needed.filter((name) => /cuda|nvidia|nvml/i.test(name));
  verdict(
    nvidia.length === 0,
    `${label}: no NVIDIA DT_NEEDED`,
    `needs ${nvidia.join(', ')}: every preloaded program would load the driver or fail without it`,
  );
  return { path, label, headers };
}

function checkShim(arch) {
  const { path, label, headers } = checkCommon(arch, 'libtranche.so');
  const allowed = allowedExports();
  const exported = dynamicSymbols(path)
    .filter((symbol) => symbol.defined)
    .map((symbol) => symbol.name);
  const extra = exported.filter((name) => !allowed.includes(name));
  const missing = allowed.filter((name) => !exported.includes(name));
  verdict(
    extra.length === 0,
    `${label}: exports only dlsym and agent/shim/cuda/hooks.def (${exported.length})`,
    `also exports ${extra.slice(0, 5).join(', ')}: a helper's name could shadow the program's own`,
  );
  verdict(
    missing.length === 0,
    `${label}: exports all of agent/shim/cuda/hooks.def`,
    `lacks ${missing.slice(0, 5).join(', ')}`,
  );
  const constructors = [
    ...headers.matchAll(/\((INIT_ARRAYSZ|PREINIT_ARRAYSZ|FINI_ARRAYSZ)\)\s+(\d+)/g),
  ].filter((m) => Number(m[2]) > 0);
  const initFunctions = [...headers.matchAll(/\((INIT|FINI)\)/g)];
  verdict(
    constructors.length === 0 && initFunctions.length === 0,
    `${label}: no constructor, no destructor`,
    `has ${[...constructors, ...initFunctions].map((m) => m[1]).join(', ')}: code would run in every preloaded program`,
  );
}

function checkSize(arch) {
  const total = ['libtranche.so', 'tranche'].reduce(
    (sum, file) => sum + statSync(join(root, 'build/agent', arch, file)).size,
    0,
  );
  verdict(
    total <= SIZE_LIMIT_BYTES,
    `${arch}: shim + agent are ${(total / 1024).toFixed(0)} KiB of ${SIZE_LIMIT_BYTES / 1024} KiB`,
    'they are sent to every host; keep them small',
  );
}

for (const arch of ['x86_64', 'aarch64']) {
  if (!existsSync(join(root, 'build/agent', arch, 'libtranche.so'))) {
    verdict(false, `${arch}: is built`, 'run npm run build:agent first');
    continue;
  }
  checkShim(arch);
  checkCommon(arch, 'tranche');
  checkSize(arch);
}
process.exit(failed === 0 ? 0 : 1);
