// What `npm start` and `npm test` share: bring a fresh clone to a state where things run, and do nothing when it is there.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));
export const appVersion = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version;
const NODE_MIN = [20, 19];

export function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < NODE_MIN[0] || (major === NODE_MIN[0] && minor < NODE_MIN[1])) {
    throw new Error(
      `Tranche needs Node ${NODE_MIN.join('.')} or newer; this is ${process.versions.node}. Nothing was installed.`,
    );
  }
}

const stampPath = (name) => join(root, '.cache', `${name}.stamp`);
const isStamped = (name, value) =>
  existsSync(stampPath(name)) && readFileSync(stampPath(name), 'utf8') === value;
function stamp(name, value) {
  mkdirSync(join(root, '.cache'), { recursive: true });
  writeFileSync(stampPath(name), value);
}

/** Installs from the lock file when node_modules does not match it. `tools`: test and packaging tools too. */
export function installPackages({ tools }) {
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  const modules = existsSync(join(root, 'node_modules'));
  if (modules && (isStamped('packages', `${lock} all`) || (!tools && isStamped('packages', `${lock} run`))))
    return;
  console.log(`Installing packages${tools ? ', test tools included' : ''} (once; about a minute)…`);
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const args = ['ci', '--no-audit', '--no-fund', '--loglevel=error', ...(tools ? [] : ['--omit=dev'])];
  const result = spawnSync(npm, args, { cwd: root, stdio: 'inherit', shell: process.platform === 'win32' });
  if (result.status !== 0)
    throw new Error(
      'npm ci failed (its own words are above). Nothing else was started; check that the npm registry is reachable and try again.',
    );
  stamp('packages', `${lock} ${tools ? 'all' : 'run'}`);
}

function* sourceFiles(folder) {
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* sourceFiles(path);
    else yield path;
  }
}

/** Name, size and time of every source: cheap, and any edit shows. */
function sourcesFingerprint() {
  const hash = createHash('sha256').update(appVersion).update(process.versions.node);
  for (const folder of ['model', 'electron', 'renderer']) {
    for (const file of [...sourceFiles(folder)].sort()) {
      const { size, mtimeMs } = statSync(join(root, file));
      hash.update(`${file} ${size} ${mtimeMs}\n`);
    }
  }
  for (const file of [
    'package-lock.json',
    'vite.renderer.config.ts',
    'scripts/build.mjs',
    'scripts/bundle.mjs',
  ])
    hash.update(readFileSync(join(root, file)));
  return hash.digest('hex');
}

function runNode(script, args = []) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(root, script), ...args], { cwd: root, stdio: 'inherit' });
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(`${script} failed (${signal ?? `exit ${code}`}); its own words are above.`));
    });
  });
}

/** Builds agent and bundles, side by side, where sources changed. */
export async function buildAll() {
  const fingerprint = sourcesFingerprint();
  const jobs = [runNode('scripts/build-agent.mjs')];
  if (!isStamped('bundles', fingerprint) || !existsSync(join(root, 'dist/serve.cjs'))) {
    console.log('Building the app…');
    jobs.push(
      runNode('scripts/build.mjs').then(() => {
        stamp('bundles', fingerprint);
      }),
    );
  }
  const failed = (await Promise.allSettled(jobs)).find((job) => job.status === 'rejected');
  if (failed) throw failed.reason;
}
