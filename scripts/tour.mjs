#!/usr/bin/env node
// `npm run tour [-- name …]`: pictures of every screen in test-results/tour, dark, light and high contrast, large and
// small. Ends with 1 when a screen could not be reached or complained, or where a script sees a fault in it: text that is
// cut off and told nowhere, text over text, what hangs over an edge (test/renderer/picture-faults.ts).
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { runnerImport } from 'vite';
import { root } from './setup.mjs';

const built = spawnSync(process.execPath, [join(root, 'scripts/build.mjs'), 'renderer'], {
  stdio: 'inherit',
});
if (built.status !== 0) process.exit(1);
const { module } = await runnerImport(join(root, 'test/renderer/tour.ts'), { configFile: false });
const folder = join(root, 'test-results/tour');
const problems = await module.tour(folder, process.argv.slice(2));
for (const problem of problems) console.log(problem);
console.log(`pictures: ${join('test-results', 'tour', 'index.html')}`);
process.exit(problems.length === 0 ? 0 : 1);
