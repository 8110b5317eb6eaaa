/** Builds the page of the gallery as the window is built, into a folder of its own: it is no part of the product. */
import { fileURLToPath } from 'node:url';
import { build, mergeConfig } from 'vite';
import rendererConfig from '../../vite.renderer.config.ts';

export async function buildGallery(folder: string): Promise<void> {
  await build(
    mergeConfig(rendererConfig, {
      configFile: false,
      root: fileURLToPath(new URL('.', import.meta.url)),
      logLevel: 'warn',
      build: { outDir: folder },
    }),
  );
}
