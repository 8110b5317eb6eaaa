#!/usr/bin/env node
// Renders electron/resources/icon.svg into electron/resources/icons/NxN.png, with the Chromium that the tests use. The
// pictures are committed, so that packaging needs no browser; run this after a change of the SVG.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { root } from './setup.mjs';

/** Sizes of the hicolor theme; 1024 is what macOS and Windows icons are made from. */
const SIZES_PX = [16, 24, 32, 48, 64, 128, 256, 512, 1024];

const folder = join(root, 'electron/resources');
const svg = readFileSync(join(folder, 'icon.svg'), 'utf8').replace(/ width="512" height="512"/, '');
const browser = await chromium.launch({
  executablePath: process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium',
  args: ['--no-sandbox'],
});
try {
  const page = await browser.newPage();
  for (const size of SIZES_PX) {
    await page.setViewportSize({ width: size, height: size });
    await page.setContent(
      `<style>body { margin: 0 } svg { display: block; width: ${size}px; height: ${size}px }</style>${svg}`,
    );
    writeFileSync(join(folder, `icons/${size}x${size}.png`), await page.screenshot({ omitBackground: true }));
  }
} finally {
  await browser.close();
}
