#!/usr/bin/env node
// `npm run package:dir`: the app, unpacked, in release/. Without `--dir`, everything that electron-builder.yml names for
// this system. The Electron in it is the one that npm start uses; where that is not there, or with `--test-runtime`, the
// old one that tests run, which no user should be given. `--output FOLDER`: elsewhere.
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { ELECTRON_VERSION, ensureElectronRuntime } from './electron-runtime.mjs';
import { buildAll, checkNode, installPackages, root } from './setup.mjs';

const flag = (name) => process.argv.includes(name);
const valueOf = (name) => (flag(name) ? process.argv[process.argv.indexOf(name) + 1] : undefined);

async function findElectron() {
  const own = join(root, 'node_modules/electron');
  const names = { darwin: 'Electron.app', win32: 'electron.exe' };
  if (!flag('--test-runtime') && existsSync(join(own, 'dist', names[process.platform] ?? 'electron'))) {
    const { version } = JSON.parse(readFileSync(join(own, 'package.json'), 'utf8'));
    return { folder: join(own, 'dist'), version };
  }
  console.log(`Packaging with Electron ${ELECTRON_VERSION}, the runtime of the tests: not for users.`);
  return { folder: await ensureElectronRuntime(), version: ELECTRON_VERSION };
}

/**
 * The app as a package of its own, without dependencies: the bundles have everything inside. electron-builder refuses
 * ours, which depends on Electron so that `npm start` needs no development tools.
 */
function stageApp(folder) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const part of ['dist/electron', 'dist/renderer', 'dist/lab.cjs'])
    cpSync(join(root, part), join(folder, part), { recursive: true });
  const { name, productName, version, description, main } = JSON.parse(
    readFileSync(join(root, 'package.json'), 'utf8'),
  );
  const about = { name, productName, version, description, main, author: 'The Tranche authors' };
  writeFileSync(join(folder, 'package.json'), JSON.stringify(about));
}

/** Electron before 29 has no fuse for file://, and setting one that a binary lacks is an error. */
async function laterFuses(folder) {
  const later = { grantFileProtocolExtraPrivileges: false };
  if (process.platform !== 'linux') return later;
  // electron-builder's own: what reads the fuses is what sets them.
  const fuses = createRequire(createRequire(import.meta.url).resolve('electron-builder'))('@electron/fuses');
  const wire = await fuses.getCurrentFuseWire(join(folder, 'electron'));
  return fuses.FuseV1Options.GrantFileProtocolExtraPrivileges in wire ? later : {};
}

try {
  checkNode();
  installPackages({ tools: true });
  await buildAll();
  const { Platform, build } = await import('electron-builder');
  const { folder, version } = await findElectron();
  const output = resolve(root, valueOf('--output') ?? 'release');
  const staged = join(output, '.app');
  stageApp(staged);
  const made = await build({
    projectDir: root,
    targets: Platform.current().createTarget(flag('--dir') ? 'dir' : undefined),
    publish: 'never',
    config: {
      electronDist: folder,
      electronVersion: version,
      directories: { app: staged, output },
      electronFuses: await laterFuses(folder),
      // Nothing to install or to rebuild. `npmRebuild: false` would say less: with it, node_modules of the checkout is
      // searched and packed.
      beforeBuild: async () => false,
      // The runtime of the tests carries a loader where a plain Electron has a default app.
      afterPack: async ({ appOutDir }) =>
        rmSync(join(appOutDir, 'resources/app'), { recursive: true, force: true }),
    },
  });
  rmSync(staged, { recursive: true });
  console.log(flag('--dir') ? `The app is below ${output}.` : made.join('\n'));
} catch (error) {
  console.error(`package failed: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}
