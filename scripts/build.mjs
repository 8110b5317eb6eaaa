// Builds every bundle into dist/. `node scripts/build.mjs [name …]` builds only those named.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { nodeBundle } from './bundle.mjs';

// vite leaves one that is set as it is: a build that a test starts would get React's development parts.
process.env.NODE_ENV = 'production';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const at = (path) => join(root, path);

const inNode = (entry, outDir, fileName) => ({ entry, config: nodeBundle(entry, outDir, fileName) });

const bundles = {
  renderer: {
    entry: 'renderer/index.html',
    config: { configFile: at('vite.renderer.config.ts'), logLevel: 'warn' },
  },
  main: inNode('electron/main/main.ts', 'dist/electron', 'main.cjs'),
  updater: inNode('electron/main/updater.ts', 'dist/electron', 'updater.cjs'),
  preload: inNode('electron/main/preload.ts', 'dist/electron', 'preload.cjs'),
  core: inNode('electron/core/index.ts', 'dist/electron', 'core.cjs'),
  serve: inNode('electron/serve/index.ts', 'dist', 'serve.cjs'),
  lab: inNode('electron/lab/index.ts', 'dist', 'lab.cjs'),
};

const named = process.argv.slice(2).filter((name) => !name.startsWith('-'));
const unknown = named.filter((name) => !(name in bundles));
if (unknown.length > 0) {
  console.error(`No bundle is called ${unknown.join(', ')}. There are: ${Object.keys(bundles).join(', ')}.`);
  process.exit(2);
}

for (const name of named.length > 0 ? named : Object.keys(bundles)) {
  const { entry, config } = bundles[name];
  if (!existsSync(at(entry))) {
    console.log(`skip  ${name} (${entry} is not there)`);
    continue;
  }
  const startedAt = performance.now();
  await build(config);
  console.log(`built ${name} in ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
}
