// How code for Node is put into one file: the parts of the app (build.mjs) and the bench (bench.mjs).
import { builtinModules } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** The runtime that has to read a bundle of the app: Electron 25's main process and utility process are Node 18. */
const APP_TARGET = 'node18';

// cpu-features and *.node are optional parts of ssh2: never shipped, and ssh2 goes on without them.
const EXTERNAL = [
  'electron',
  'cpu-features',
  /\.node$/,
  ...builtinModules,
  ...builtinModules.map((name) => `node:${name}`),
];

/** vite's settings for one CommonJS file with everything but the runtime's own modules inside. */
export const nodeBundle = (entry, outDir, fileName, target = APP_TARGET) => ({
  configFile: false,
  root,
  logLevel: 'warn',
  ssr: { noExternal: true },
  build: {
    ssr: join(root, entry),
    outDir: join(root, outDir),
    emptyOutDir: false,
    target,
    minify: false,
    sourcemap: false,
    rollupOptions: {
      external: EXTERNAL,
      output: { format: 'cjs', entryFileNames: fileName, codeSplitting: false },
    },
  },
});
