#!/usr/bin/env node
// `npm run bench`: bundles test/bench/index.ts and runs it; prints a table and writes docs/bench-results.json.
import { spawnSync } from 'node:child_process';
import { builtinModules } from 'node:module';
import { join } from 'node:path';
import { buildAll, checkNode, installPackages, root } from './setup.mjs';

checkNode();
installPackages({ tools: true });
await buildAll();
const { build } = await import('vite');
await build({
  configFile: false,
  root,
  logLevel: 'warn',
  ssr: { noExternal: true },
  build: {
    ssr: join(root, 'test/bench/index.ts'),
    outDir: join(root, 'dist/bench/run'),
    target: 'node20',
    minify: false,
    rollupOptions: {
      external: [
        'cpu-features',
        /\.node$/,
        ...builtinModules,
        ...builtinModules.map((name) => `node:${name}`),
      ],
      output: { format: 'cjs', entryFileNames: 'bench.cjs' },
    },
  },
});
const bench = spawnSync(process.execPath, [join(root, 'dist/bench/run/bench.cjs')], {
  cwd: root,
  stdio: 'inherit',
});
// The table it put into the README is laid out as the rest of it.
spawnSync(process.execPath, [join(root, 'node_modules/prettier/bin/prettier.cjs'), '--write', 'README.md'], {
  cwd: root,
  stdio: 'ignore',
});
process.exit(bench.status ?? 1);
