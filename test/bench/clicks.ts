/** From a host that was never used to its first slice, by clicks alone; its key is known, and nothing is typed. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Locator } from 'playwright-core';
import { SshHost, newKeyPair } from '../../electron/lab/ssh-host.ts';
import { launchDesktop } from '../e2e/desktop.ts';
import { makePrivateRoot } from '../integration/support/private-root.ts';
import { makeFigure, type Figure } from './report.ts';

const STEP_TIMEOUT_MS = 20_000;
const TARGET_CLICKS = 4;

export async function benchFirstSlice(): Promise<Figure> {
  const root = makePrivateRoot();
  const folder = mkdtempSync(join(tmpdir(), 'tranche-clicks-'));
  chmodSync(folder, 0o755);
  const [clientKey, hostKey] = [newKeyPair(), newKeyPair()];
  const server = new SshHost({
    hostKey,
    clientKey,
    user: 'mira',
    env: root.env,
    cwd: root.env['HOME'] ?? '/',
  });
  let app: Awaited<ReturnType<typeof launchDesktop>> | null = null;
  try {
    const port = await server.listen();
    const [keyType = '', keyData = ''] = hostKey.public.split(' ');
    // Readable by everybody, because the app runs as somebody else: nothing of it is secret.
    writeFileSync(join(folder, 'key'), clientKey.private, { mode: 0o644 });
    writeFileSync(join(folder, 'known'), `[127.0.0.1]:${String(port)} ${keyType} ${keyData}\n`);
    writeFileSync(
      join(folder, 'config'),
      [
        'Host atelier',
        '  HostName 127.0.0.1',
        `  Port ${String(port)}`,
        '  User mira',
        `  IdentityFile ${join(folder, 'key')}`,
        '  IdentitiesOnly yes',
        '  IdentityAgent none',
        `  UserKnownHostsFile ${join(folder, 'known')}`,
        '  GlobalKnownHostsFile none',
        '',
      ].join('\n'),
    );
    process.env['TRANCHE_SSH_CONFIG'] = join(folder, 'config');
    app = await launchDesktop({ agents: true });
    const { page } = app;
    page.setDefaultTimeout(STEP_TIMEOUT_MS);
    let clicks = 0;
    const click = async (target: Locator): Promise<void> => {
      await target.first().click();
      clicks += 1;
    };
    await click(page.getByRole('button', { name: /^atelier,/ }));
    await click(page.getByRole('button', { name: 'Install agent' }));
    await click(page.getByRole('button', { name: /^Half/ }));
    await page.getByRole('slider').first().waitFor();
    console.log(
      `clicks.first: ${String(await page.getByRole('slider').count())} slice after ${String(clicks)} clicks`,
    );
    return makeFigure(
      'clicks.first',
      'clicks to the first slice on a new host with a known key, nothing typed',
      clicks,
      'clicks',
      TARGET_CLICKS,
    );
  } finally {
    await app?.close();
    server.close();
    root.destroy();
    rmSync(folder, { recursive: true, force: true });
  }
}
