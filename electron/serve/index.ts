/** `serve`: the same core and renderer in a browser, for machines where no Electron starts. Loopback only. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { createCore } from '../core/core.ts';
import { dataFolder, labUnavailable } from '../places.ts';
import { forkLab } from './lab-process.ts';
import { makeHttpServer, Sessions } from './http.ts';
import { SocketHub } from './socket.ts';

const distFolder = dirname(fileURLToPath(import.meta.url));
const rootFolder = join(distFolder, '..');
const artifactsFolder = process.env['TRANCHE_AGENT_DIR'] ?? join(rootFolder, 'build/agent');
const appVersion = process.env['TRANCHE_APP_VERSION'] ?? '0.0.0-dev';

/** The token stays out of argv, which every user of the machine can read: the browser opens a 0600 file that redirects. */
async function openBrowser(url: string): Promise<boolean> {
  if (process.env['TRANCHE_NO_BROWSER'] === '1') return false;
  if (process.platform === 'linux' && !process.env['DISPLAY'] && !process.env['WAYLAND_DISPLAY'])
    return false;
  const folder = await mkdtemp(join(tmpdir(), 'tranche-open-'));
  const page = join(folder, 'open.html');
  await writeFile(
    page,
    `<!doctype html><meta charset="utf-8"><title>Tranche</title><meta http-equiv="refresh" content="0;url=${url}">\n`,
    { mode: 0o600 },
  );
  setTimeout(() => void rm(folder, { recursive: true, force: true }), 60_000).unref();
  const command =
    process.platform === 'darwin' ? 'open' : process.platform === 'win32' ? 'explorer' : 'xdg-open';
  return new Promise((resolve) => {
    const child = spawn(command, [pathToFileURL(page).href], { stdio: 'ignore', detached: true });
    child.on('error', () => {
      resolve(false);
    });
    child.on('exit', (code) => {
      resolve(code === 0);
    });
    child.unref();
  });
}

async function main(): Promise<void> {
  const sessions = new Sessions();
  let port = 0;
  const hub = new SocketHub({ platform: process.platform, appVersion });
  const core = await createCore({
    dataFolder: dataFolder(process.env, homedir(), process.platform),
    artifactsFolder,
    appVersion,
    launchLab: () => forkLab(join(distFolder, 'lab.cjs'), join(artifactsFolder, 'x86_64/sim')),
    labUnavailable: labUnavailable(
      process.platform,
      process.arch,
      existsSync(join(artifactsFolder, 'x86_64/sim/libcuda.so.1')),
    ),
    emit: (event) => {
      hub.send(event);
    },
  });
  const server = makeHttpServer(join(distFolder, 'renderer'), sessions, () => port);
  hub.attach(
    server,
    core,
    sessions,
    () => port,
    (clients) => void core.request('view:visible', { visible: clients > 0 }),
  );
  server.listen(Number(process.env['TRANCHE_PORT'] ?? 0), '127.0.0.1');
  await once(server, 'listening');
  ({ port } = server.address() as AddressInfo);
  const url = `http://127.0.0.1:${String(port)}/#token=${sessions.newToken(Date.now())}`;
  const opened = await openBrowser(url);
  // A second browser, or one that the first token did not reach, needs a token of its own: print one in any case.
  const printed = opened ? `http://127.0.0.1:${String(port)}/#token=${sessions.newToken(Date.now())}` : url;
  console.log(
    opened
      ? `Tranche is open in your browser. Another one: ${printed}`
      : `Open this address in a browser on this computer: ${printed}`,
  );
  const stop = (): void => {
    hub.close();
    server.close();
    void core.stop().finally(() => process.exit(0));
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
}

main().catch((error: unknown) => {
  console.error(`Tranche could not start: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
});
