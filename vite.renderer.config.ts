import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** `base: './'`: the same files are served by app:// in Electron and over http by `serve`. */
export default defineConfig({
  root: here('./renderer'),
  base: './',
  plugins: [react()],
  build: {
    outDir: here('./dist/renderer'),
    emptyOutDir: true,
    target: 'chrome114',
    // The CSP has no data: for fonts or scripts, and a data: image hides a file from review.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // One file from disk or loopback: nobody waits for it over a network.
    chunkSizeWarningLimit: 1200,
  },
});
