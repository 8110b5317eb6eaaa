#!/usr/bin/env node
// `npm run gallery [-- section …]`: pictures of every component in each of its states in test-results/gallery, dark, light
// and high contrast. Ends with 1 when one could not be drawn or complained, or where a script sees a fault in a picture
// (test/renderer/picture-faults.ts).
import { join } from 'node:path';
import { runnerImport } from 'vite';
import { root } from './setup.mjs';

// vite leaves one that is set as it is: the page is drawn by the same React as the window.
process.env.NODE_ENV = 'production';

const { module } = await runnerImport(join(root, 'test/gallery/photograph.ts'), { configFile: false });
const folder = join(root, 'test-results/gallery');
const problems = await module.photograph(folder, process.argv.slice(2));
for (const problem of problems) console.log(problem);
console.log(`pictures: ${join('test-results', 'gallery', 'index.html')}`);
process.exit(problems.length === 0 ? 0 : 1);
