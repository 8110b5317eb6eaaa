#!/usr/bin/env node
// `npm run package`: everything that electron-builder.yml names for this system, in release/, with SHA256SUMS.
// `npm run package -- deb rpm`: these alone; `npm run package:dir`: the app, unpacked. docs/release.md has the whole.
//   --test-runtime   with the old Electron that tests run, which no user should be given; it is also taken, and said so,
//                    where the Electron of npm start is not there. Packages are then packed fast instead of small
//   --feed URL       where the packages look for updates unless an administrator says otherwise; without it, nowhere
//   --output FOLDER  instead of release/
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join, resolve } from 'node:path';
import { ELECTRON_VERSION, ensureElectronRuntime } from './electron-runtime.mjs';
import { buildAll, checkNode, installPackages, root } from './setup.mjs';

const flag = (name) => process.argv.includes(name);
const valueOf = (name) => (flag(name) ? process.argv[process.argv.indexOf(name) + 1] : undefined);
const WITH_VALUE = ['--output', '--feed'];
const targets = process.argv
  .slice(2)
  .filter((word, at, all) => !word.startsWith('--') && !WITH_VALUE.includes(all[at - 1]));

async function findElectron() {
  const own = join(root, 'node_modules/electron');
  const names = { darwin: 'Electron.app', win32: 'electron.exe' };
  if (!flag('--test-runtime') && existsSync(join(own, 'dist', names[process.platform] ?? 'electron'))) {
    const { version } = JSON.parse(readFileSync(join(own, 'package.json'), 'utf8'));
    return { folder: join(own, 'dist'), version, forTests: false };
  }
  console.log(`Packaging with Electron ${ELECTRON_VERSION}, the runtime of the tests: not for users.`);
  return { folder: await ensureElectronRuntime(), version: ELECTRON_VERSION, forTests: true };
}

/**
 * The app as a package of its own, without dependencies: the bundles have everything inside. electron-builder refuses
 * ours, which depends on Electron so that `npm start` needs no development tools.
 */
function stageApp(folder, updateFeed) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const part of ['dist/electron', 'dist/renderer', 'dist/lab.cjs'])
    cpSync(join(root, part), join(folder, part), { recursive: true });
  const { name, productName, version, description, main, homepage, license } = JSON.parse(
    readFileSync(join(root, 'package.json'), 'utf8'),
  );
  const about = {
    name,
    productName,
    version,
    description,
    main,
    license,
    author: 'The Tranche authors',
    // deb and rpm want a page to be named; until the project has one, a name that nobody can own (RFC 2606).
    homepage: homepage ?? 'https://tranche.invalid/',
    desktopName: 'tranche-desktop.desktop',
    updateFeed,
  };
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

/** In the format of `sha256sum -c`, for everything that was made. */
function writeSums(output, files) {
  const lines = files
    .map((file) => basename(file))
    .sort()
    .map(
      (name) =>
        `${createHash('sha256')
          .update(readFileSync(join(output, name)))
          .digest('hex')}  ${name}`,
    );
  writeFileSync(join(output, 'SHA256SUMS'), `${lines.join('\n')}\n`);
}

/** https, or this machine: what comes from there is installed, on Linux by root. The app has the same rule (feed.ts). */
function feedFrom(text) {
  if (text === undefined) return null;
  const url = URL.canParse(text) ? new URL(text) : null;
  const local = url !== null && ['127.0.0.1', '[::1]', 'localhost'].includes(url.hostname);
  if (url === null || (url.protocol !== 'https:' && !(local && url.protocol === 'http:')))
    throw new Error(`--feed wants an https address, not “${text}”. Nothing was made.`);
  return url.href;
}

try {
  checkNode();
  const feed = feedFrom(valueOf('--feed'));
  installPackages({ tools: true });
  await buildAll();
  const { Platform, build } = await import('electron-builder');
  const { folder, version, forTests } = await findElectron();
  const output = resolve(root, valueOf('--output') ?? 'release');
  const staged = join(output, '.app');
  stageApp(staged, feed);
  // Set already: a packer of the user's own.
  if (process.env['USE_SYSTEM_FPM'] !== 'true')
    process.env['CUSTOM_FPM_PATH'] ??= join(root, 'scripts/pack-linux.mjs');
  const made = await build({
    projectDir: root,
    targets: Platform.current().createTarget(flag('--dir') ? 'dir' : targets),
    publish: 'never',
    config: {
      electronDist: folder,
      electronVersion: version,
      directories: { app: staged, output },
      electronFuses: await laterFuses(folder),
      ...(forTests ? { deb: { compression: 'gz' }, rpm: { compression: 'gzip' } } : {}),
      // Always, because the updater's own files hang on it: latest*.yml beside the packages, app-update.yml and
      // package-type inside. The app never asks the address in there, but the one that feed.ts finds.
      publish: { provider: 'generic', url: feed ?? 'https://tranche.invalid/' },
      // Nothing to install or to rebuild. `npmRebuild: false` would say less: with it, node_modules of the checkout is
      // searched and packed.
      beforeBuild: async () => false,
      // The runtime of the tests carries a loader where a plain Electron has a default app.
      afterPack: async ({ appOutDir }) =>
        rmSync(join(appOutDir, 'resources/app'), { recursive: true, force: true }),
    },
  });
  rmSync(staged, { recursive: true });
  const files = made.filter((file) => existsSync(file));
  if (files.length > 0) {
    for (const name of readdirSync(output))
      if (/^latest.*\.yml$/.test(name) && !files.includes(join(output, name))) files.push(join(output, name));
    writeSums(output, files);
  }
  console.log(flag('--dir') ? `The app is below ${output}.` : files.join('\n'));
} catch (error) {
  console.error(`package failed: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}
