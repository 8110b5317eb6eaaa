/**
 * The demo lab's own process. Started with the folder of the simulated driver in TRANCHE_LAB_SIM; tells its parent
 * `{ready}` or `{failed}`, and ends, with everything it started, when the parent is gone.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LabReady } from '../core/messages.ts';
import { LAB_PLAN, SimulatedHost } from './simulated-host.ts';
import { newKeyPair, SshHost } from './ssh-host.ts';
import { startWatchdog } from './watchdog.ts';

interface ParentPort {
  postMessage(message: unknown): void;
}
const parentPort = (process as unknown as { parentPort?: ParentPort }).parentPort;

function tell(
  message: { readonly ready: LabReady } | { readonly failed: string } | { readonly note: string },
): void {
  if (parentPort) parentPort.postMessage(message);
  else process.send?.(message);
}

/** A private directory on a file system where programs may run. */
function makeRoot(): string {
  const places = [tmpdir(), process.env['XDG_RUNTIME_DIR'], join(homedir(), '.cache')].filter(
    (place) => place !== undefined,
  );
  const refused: string[] = [];
  for (const place of places) {
    let root: string | null = null;
    try {
      root = mkdtempSync(join(place, 'tranche-lab-'));
      const probe = join(root, 'probe');
      writeFileSync(probe, '#!/bin/sh\nexit 0\n');
      chmodSync(probe, 0o700);
      execFileSync(probe);
      rmSync(probe);
      return root;
    } catch (error) {
      refused.push(`${place}: ${error instanceof Error ? error.message : String(error)}`);
      if (root !== null) rmSync(root, { recursive: true, force: true });
    }
  }
  throw new Error(`no place where the lab's programs may run (${refused.join('; ')})`);
}

async function main(): Promise<void> {
  const simFolder = process.env['TRANCHE_LAB_SIM'] ?? '';
  const root = makeRoot();
  const endEverything = startWatchdog(root);
  const leave = (): void => {
    endEverything();
    process.exit(0);
  };
  process.on('disconnect', leave);
  process.on('SIGTERM', leave);
  process.on('SIGINT', leave);
  const hosts: LabReady['hosts'][number][] = [];
  for (const plan of LAB_PLAN) {
    const host = new SimulatedHost(plan, root, simFolder);
    await host.prepare();
    const clientKey = newKeyPair();
    const server = new SshHost({
      hostKey: newKeyPair(),
      clientKey,
      user: 'demo',
      env: host.env,
      cwd: join(host.root, 'home'),
    });
    const port = await server.listen();
    hosts.push({
      name: plan.name,
      port,
      user: 'demo',
      hostKeyBase64: server.hostKeyBlob.toString('base64'),
      privateKey: clientKey.private,
    });
    host.populate().catch((error: unknown) => {
      tell({
        note: `${plan.name}: its programs did not start: ${error instanceof Error ? error.message : String(error)}`,
      });
    });
  }
  tell({ ready: { hosts } });
}

main().catch((error: unknown) => {
  tell({ failed: error instanceof Error ? error.message : String(error) });
  process.exitCode = 1;
});
