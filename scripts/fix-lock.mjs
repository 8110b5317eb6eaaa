#!/usr/bin/env node
// Some registries lack the packages of other platforms (oxlint and its type checker); npm then leaves them out of the
// lock and `npm ci` refuses it. This adds the missing exact pins. Run it after every change of dependencies.
import { readFileSync, writeFileSync } from 'node:fs';

const path = new URL('../package-lock.json', import.meta.url);
const lock = JSON.parse(readFileSync(path, 'utf8'));
const OS = [
  'android',
  'darwin',
  'freebsd',
  'linux',
  'openbsd',
  'win32',
  'windows',
  'openharmony',
  'aix',
  'netbsd',
  'sunos',
];
const CPU = ['arm64', 'arm', 'x64', 'ia32', 'riscv64', 'ppc64', 's390x', 'loong64', 'mips64el', 'wasm32'];
const part = (name, words) => words.find((word) => name.split(/[-/]/).includes(word));
let added = 0;
for (const [folder, entry] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    if (
      !/^\d/.test(version) ||
      lock.packages[`${folder}/node_modules/${name}`] ||
      lock.packages[`node_modules/${name}`]
    )
      continue;
    const os = part(name, OS);
    const cpu = part(name, CPU);
    lock.packages[`node_modules/${name}`] = {
      version,
      ...(cpu ? { cpu: [cpu] } : {}),
      dev: true,
      optional: true,
      ...(os ? { os: [os === 'windows' ? 'win32' : os] } : {}),
    };
    added += 1;
  }
}
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
console.log(`${added} entries added`);
