#!/usr/bin/env node
// `npm run bench`: bundles test/bench/index.ts and runs it; prints a table and writes docs/bench-results.json.
// `npm run bench -- --readme`: puts the table into README.md as well.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { nodeBundle } from './bundle.mjs';
import { buildAll, checkNode, installPackages, root } from './setup.mjs';

const README_FLAG = '--readme';
const asked = process.argv.slice(2);
const unknown = asked.filter((word) => word !== README_FLAG);
if (unknown.length > 0) {
  console.error(`npm run bench knows no ${unknown.join(' ')}. There is: ${README_FLAG}.`);
  process.exit(2);
}

checkNode();
installPackages({ tools: true });
await buildAll();
const { build } = await import('vite');
await build(nodeBundle('test/bench/index.ts', 'dist/bench/run', 'bench.cjs', 'node20'));
const bench = spawnSync(process.execPath, [join(root, 'dist/bench/run/bench.cjs'), ...asked], {
  cwd: root,
  stdio: 'inherit',
});
// The table that it put there is laid out as the rest of the page.
if (bench.status === 0 && asked.includes(README_FLAG))
  spawnSync(
    process.execPath,
    [join(root, 'node_modules/prettier/bin/prettier.cjs'), '--write', 'README.md'],
    {
      cwd: root,
      stdio: 'ignore',
    },
  );
process.exit(bench.status ?? 1);
