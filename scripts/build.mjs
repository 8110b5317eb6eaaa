// Builds every bundle into dist/. `node scripts/build.mjs [name …]` builds only those named.
import { existsSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

// vite leaves one that is set as it is: a build that a test starts would get React's development parts.
process.env.NODE_ENV = 'production';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const at = (path) => join(root, path);

/** The runtime that has to read a bundle: Electron 25's main process and utility process are Node 18. */
const NODE_TARGET = 'node18';

// cpu-features and *.node are optional parts of ssh2: never shipped, and ssh2 goes on without them.
const NODE_EXTERNAL = [
  'electron',
  'cpu-features',
  /\.node$/,
  ...builtinModules,
  ...builtinModules.map((name) => `node:${name}`),
];

/** One CommonJS file with everything but the runtime's own modules inside. */
const nodeBundle = (entry, outDir, fileName) => ({
  entry,
  config: {
    configFile: false,
    root,
    logLevel: 'warn',
    ssr: { noExternal: true },
    build: {
      ssr: at(entry),
      outDir: at(outDir),
      emptyOutDir: false,
      target: NODE_TARGET,
      minify: false,
      sourcemap: false,
      rollupOptions: {
        external: NODE_EXTERNAL,
        output: { format: 'cjs', entryFileNames: fileName, codeSplitting: false },
      },
    },
  },
});

const bundles = {
  renderer: {
    entry: 'renderer/index.html',
    config: { configFile: at('vite.renderer.config.ts'), logLevel: 'warn' },
  },
  main: nodeBundle('electron/main/main.ts', 'dist/electron', 'main.cjs'),
  updater: nodeBundle('electron/main/updater.ts', 'dist/electron', 'updater.cjs'),
  preload: nodeBundle('electron/main/preload.ts', 'dist/electron', 'preload.cjs'),
  core: nodeBundle('electron/core/index.ts', 'dist/electron', 'core.cjs'),
  serve: nodeBundle('electron/serve/index.ts', 'dist', 'serve.cjs'),
  lab: nodeBundle('electron/lab/index.ts', 'dist', 'lab.cjs'),
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
