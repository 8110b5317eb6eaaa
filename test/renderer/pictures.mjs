// Pictures of every screen, for eyes: `node test/renderer/pictures.mjs FOLDER [name …]`, after `npm run build`.
import { runnerImport } from 'vite';

const { module } = await runnerImport(new URL('pictures.ts', import.meta.url).pathname, {
  configFile: false,
});
const [folder = 'test-results/pictures', ...only] = process.argv.slice(2);
const problems = await module.takePictures(folder, only);
for (const problem of problems) console.log(problem);
process.exit(problems.length === 0 ? 0 : 1);
