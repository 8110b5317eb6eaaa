#!/usr/bin/env node
// `npm start`: from a fresh clone to the open app. Where Electron cannot start, says why in one line and serves the
// same app to a browser.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { appVersion, buildAll, checkNode, installPackages, root } from './setup.mjs';

/** Beyond this a download is not coming: the app opens in the browser instead. */
const RUNTIME_DOWNLOAD_TIMEOUT_MS = Number(process.env['TRANCHE_DOWNLOAD_TIMEOUT_MS'] ?? 90_000);
/** From the start of the Electron process to its first window. */
const WINDOW_TIMEOUT_MS = Number(process.env['TRANCHE_WINDOW_TIMEOUT_MS'] ?? 30_000);
const READY_LINE = 'TRANCHE-READY';

function electronExecutable() {
  const override = process.env['ELECTRON_OVERRIDE_DIST_PATH'];
  const folder = override ?? join(root, 'node_modules/electron/dist');
  const names = { darwin: 'Electron.app/Contents/MacOS/Electron', win32: 'electron.exe' };
  const path = join(folder, names[process.platform] ?? 'electron');
  if (existsSync(path)) return path;
  if (override) throw new Error(`there is no Electron in ${override}`);
  const installer = join(root, 'node_modules/electron/install.js');
  if (!existsSync(installer)) throw new Error('the electron package is not installed');
  console.log('Fetching the Electron runtime (once)…');
  const result = spawnSync(process.execPath, [installer], {
    cwd: root,
    encoding: 'utf8',
    timeout: RUNTIME_DOWNLOAD_TIMEOUT_MS,
    killSignal: 'SIGKILL',
  });
  if (result.status === 0 && existsSync(path)) return path;
  if (result.error?.code === 'ETIMEDOUT')
    throw new Error(`its runtime could not be downloaded within ${RUNTIME_DOWNLOAD_TIMEOUT_MS / 1000} s`);
  const said = (result.stderr ?? '').split('\n').find((line) => /error|failed|ENOTFOUND|ECONN/i.test(line));
  throw new Error(`its runtime could not be downloaded${said ? ` (${said.trim().slice(0, 120)})` : ''}`);
}

function whyNoWindow() {
  if (process.platform !== 'linux') return null;
  if (!process.env['DISPLAY'] && !process.env['WAYLAND_DISPLAY']) return 'there is no display';
  if (process.getuid?.() === 0) return 'its sandbox does not run as root';
  return null;
}

function reasonFrom(stderr, code, signal) {
  const library = /error while loading shared libraries: (\S+):/.exec(stderr)?.[1];
  if (library) return `the system library ${library} is missing`;
  if (/No usable sandbox|SUID sandbox helper/i.test(stderr))
    return 'the system refuses its sandbox (unprivileged user namespaces are off or restricted)';
  if (/Missing X server|cannot open display|Failed to connect to Wayland/i.test(stderr))
    return 'the display cannot be opened';
  const last = stderr.trim().split('\n').at(-1) ?? '';
  return `it ended at once (${signal ?? `exit ${code}`}${last ? `: ${last.slice(0, 160)}` : ''})`;
}

let stopAsked = false;
function forwardSignals(child) {
  for (const signal of ['SIGINT', 'SIGTERM'])
    process.on(signal, () => {
      stopAsked = true;
      child.kill(signal);
    });
}

/** Resolves with the app's exit code, or rejects with why no window came. */
function runElectron(executable) {
  return new Promise((resolve, reject) => {
    const child = spawn(executable, [root, ...process.argv.slice(2)], {
      cwd: root,
      stdio: ['inherit', 'pipe', 'pipe'],
      // Terminals inside Electron programs set the second; with it Electron is a plain Node.
      env: { ...process.env, TRANCHE_SAY_READY: '1', ELECTRON_RUN_AS_NODE: undefined },
    });
    forwardSignals(child);
    let ready = false;
    let stderr = '';
    const timer = setTimeout(() => {
      // It would hold the app's lock, and could open a window beside the browser's after all.
      child.kill('SIGKILL');
      reject(new Error(`no window came within ${WINDOW_TIMEOUT_MS / 1000} s`));
    }, WINDOW_TIMEOUT_MS);
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(new Error(error.message));
    });
    createInterface(child.stdout).on('line', (line) => {
      if (line === READY_LINE) {
        ready = true;
        clearTimeout(timer);
        console.log('Tranche is open.');
      } else if (ready) console.log(line);
    });
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr = (stderr + text).slice(-8192);
      if (ready) process.stderr.write(text);
    });
    child.on('exit', (code) => {
      // Exit 0 without a window: another instance was running and has come to the front.
      if (!ready && !stopAsked && code !== 0) return;
      clearTimeout(timer);
      resolve(code ?? 1);
    });
    // Not at its exit: what it said last may still be in the pipe.
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      reject(new Error(reasonFrom(stderr, code, signal)));
    });
  });
}

function serve() {
  const child = spawn(process.execPath, [join(root, 'dist/serve.cjs')], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, TRANCHE_APP_VERSION: appVersion },
  });
  forwardSignals(child);
  child.on('exit', (code, signal) => process.exit(signal ? 1 : (code ?? 1)));
}

try {
  checkNode();
  installPackages({ tools: false });
  await buildAll();
  let why = null;
  if (process.argv.includes('--serve')) why = '';
  else {
    try {
      why = whyNoWindow();
      if (why === null) process.exit(await runElectron(electronExecutable()));
    } catch (error) {
      why = error.message;
    }
  }
  if (why) console.log(`Electron cannot start here: ${why}. Serving Tranche to a browser instead.`);
  serve();
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
