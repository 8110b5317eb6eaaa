/**
 * The packages: what is in them, what the app's fuses forbid, that it works with all of them set, and that it installs,
 * starts and goes away again as a package of the system.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PreloadApi } from '../../model/ipc.ts';
import { isBuilt, runtimeFolder, whyNoRuntime } from './desktop.ts';
import { startPackaged, type Packaged } from './packaged.ts';
import { isSandboxed, processesOf } from './processes.ts';
import { openLab } from './story.ts';
import { copySystem, hasSystemCopy, whyNoSystemCopy, type SystemCopy } from './system-copy.ts';
import { startUpdateFeed } from './update-feed.ts';
import { shareFolder } from './unprivileged.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const PACKAGE_TIMEOUT_MS = 100_000;
/** electron-builder's own: what it sets is read back by the same packages. */
const require = createRequire(createRequire(import.meta.url).resolve('electron-builder'));
const asar = require('@electron/asar') as { listPackage(archive: string, options: object): string[] };
const fuses = require('@electron/fuses') as {
  getCurrentFuseWire(file: string): Promise<Record<string, number | string>>;
};
const [OFF, ON] = [48, 49];
const has = (command: string): boolean => spawnSync(command, ['--version']).error === undefined;
const hasRpm = has('rpmbuild');
const ICON_SIZES = [16, 24, 32, 48, 64, 128, 256, 512];

describe.skipIf(runtimeFolder === null || !isBuilt || !has('dpkg-deb'))(`the packages${whyNoRuntime}`, () => {
  let folder: string;
  let release: string;
  let app: string;
  let executable: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tranche-package-'));
    shareFolder(folder);
    release = join(folder, 'release');
    const kinds = hasRpm ? ['deb', 'rpm'] : ['deb'];
    const packaging = spawn(
      process.execPath,
      [join(root, 'scripts/package.mjs'), ...kinds, '--test-runtime', '--output', release],
      { stdio: ['ignore', 'ignore', 'inherit'], timeout: PACKAGE_TIMEOUT_MS },
    );
    expect(await once(packaging, 'exit')).toEqual([0, null]);
    app = join(release, 'linux-unpacked');
    executable = join(app, 'tranche-desktop');
  });
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it('hold the bundles and nothing of node_modules', () => {
    const names = asar.listPackage(join(app, 'resources/app.asar'), {});
    expect(names).toEqual(
      expect.arrayContaining(['/dist/electron/main.cjs', '/dist/lab.cjs', '/dist/renderer/index.html']),
    );
    expect(names.filter((name) => /node_modules|\.(ts|map)$/.test(name))).toEqual([]);
    expect(existsSync(join(app, 'resources/app'))).toBe(false);
  });

  it.each(['x86_64/tranche', 'aarch64/tranche', 'aarch64/libtranche.so', 'x86_64/sim/libcuda.so.1'])(
    'carry agent/%s outside the archive',
    (name) => expect(existsSync(join(app, 'resources/agent', name))).toBe(true),
  );

  it('have their fuses set', async () => {
    const { version, ...wire } = await fuses.getCurrentFuseWire(executable);
    expect(version).toBe('1');
    expect(wire).toEqual({
      0: OFF, // run as Node
      1: ON, // cookies encrypted
      2: OFF, // NODE_OPTIONS
      3: OFF, // --inspect
      4: ON, // integrity of the archive
      5: ON, // only from the archive
      6: OFF, // a V8 snapshot of its own
    });
  });

  it('come with sums that sha256sum takes', () => {
    const said = execFileSync('sha256sum', ['-c', '--strict', 'SHA256SUMS'], {
      cwd: release,
      encoding: 'utf8',
    });
    expect(said).toContain('tranche_0.1.0_amd64.deb: OK');
    expect(said.split('\n').filter((line) => line.endsWith(': OK'))).toHaveLength(hasRpm ? 3 : 2);
  });

  describe('unpacked', () => {
    let running: Packaged;
    afterAll(() => running.close());

    it('opens its page, whatever the environment wants Node to do', async () => {
      running = await startPackaged({
        executable,
        folder,
        environment: { ELECTRON_RUN_AS_NODE: '1', NODE_OPTIONS: '--require /nowhere/evil.cjs' },
      });
      expect(running.page.url()).toBe('app://bundle/index.html');
      expect(running.said()).not.toContain('Debugger listening');
    });

    it('runs its page in the sandbox', () => {
      const pages = processesOf(executable, '--type=renderer');
      expect(pages).toHaveLength(1);
      expect(pages.every(isSandboxed)).toBe(true);
      expect(processesOf(executable, '--no-sandbox')).toEqual([]);
    });

    // The simulator and the agents can only come from resources/agent, where a packaged app alone looks.
    it('starts the demo lab from its own resources', async () => {
      await openLab({ page: running.page, folder, name: 'packaged' });
      expect(existsSync(join(folder, 'build'))).toBe(false);
    });
  });

  describe('as a deb', () => {
    const debs = (): string => join(release, 'tranche_0.1.0_amd64.deb');
    const field = (name: string): string =>
      execFileSync('dpkg-deb', ['--field', debs(), name], { encoding: 'utf8' }).trim();

    it('says what it is and what it needs', () => {
      expect(field('Package')).toBe('tranche');
      expect(field('Architecture')).toBe('amd64');
      expect(field('Maintainer')).toBe('The Tranche authors');
      expect(field('Depends')).toContain('libasound2t64 | libasound2');
      expect(field('Description')).toMatch(/^Cut a GPU into slices.*\n who is on which GPU/i);
      expect(Number(field('Installed-Size'))).toBeGreaterThan(100_000);
      expect(field('Homepage')).toBe('');
    });

    it('belongs to root, and only root may write it', () => {
      const lines = execFileSync('dpkg-deb', ['--contents', debs()], { encoding: 'utf8' }).trim().split('\n');
      expect(lines.length).toBeGreaterThan(50);
      expect(lines.filter((line) => !/^[d-]rwxr-xr-x root\/root|^-rw-r--r-- root\/root/.test(line))).toEqual(
        [],
      );
    });
  });

  describe.skipIf(!hasSystemCopy)(`installed${whyNoSystemCopy}`, () => {
    let system: SystemCopy;
    let running: Packaged | null = null;
    let own: string;
    const installed = '/opt/Tranche/tranche-desktop';

    beforeAll(async () => {
      own = shareFolder(join(folder, 'installed'));
      const layers = join(folder, 'layers');
      mkdirSync(layers);
      system = await copySystem(layers);
      system.run('dpkg', '--install', join(release, 'tranche_0.1.0_amd64.deb'));
    });
    afterAll(async () => {
      await running?.close();
      await system.end();
    });

    it('is known to the system, with its command, its icons and its kind', () => {
      expect(system.run('dpkg-query', '--show', '--showformat=${db:Status-Status}', 'tranche')).toBe(
        'installed',
      );
      expect(system.run('readlink', '-f', '/usr/bin/tranche-desktop').trim()).toBe(installed);
      expect(system.run('cat', '/opt/Tranche/resources/package-type')).toBe('deb');
      for (const size of ICON_SIZES) {
        const file = `/usr/share/icons/hicolor/${size}x${size}/apps/tranche-desktop.png`;
        expect(system.run('sh', '-c', 'head -c 24 "$1" | tail -c 8 | od -An -tu1', 'sh', file)).toMatch(
          new RegExp(`^ +0 +0 +${size >> 8} +${size & 255} +0 +0 +${size >> 8} +${size & 255}$`, 'm'),
        );
      }
      expect(existsSync('/opt/Tranche')).toBe(false); // all of it in the copy alone
    });

    it('has a desktop entry that opens links, and a profile for AppArmor', () => {
      const entry = system.run('cat', '/usr/share/applications/tranche-desktop.desktop');
      expect(entry).toContain('\nExec=/opt/Tranche/tranche-desktop %U\n');
      expect(entry).toContain('\nMimeType=x-scheme-handler/tranche;\n');
      expect(entry).toContain('\nStartupWMClass=tranche-desktop\n');
      expect(system.run('cat', '/opt/Tranche/resources/apparmor-profile')).toMatch(
        /profile "tranche-desktop" "\/opt\/Tranche\/tranche-desktop" [^}]*userns,/,
      );
    });

    it('starts by its command for somebody without rights, its page in the sandbox', async () => {
      running = await startPackaged({
        executable: '/usr/bin/tranche-desktop',
        folder: own,
        enter: system.enter,
      });
      expect(running.page.url()).toBe('app://bundle/index.html');
      // Without a feed there is nothing to look for.
      const state = await running.page.evaluate(() =>
        (window as unknown as { tranche: PreloadApi }).tranche.request('update:get', {}),
      );
      expect(state).toEqual({ ok: true, value: { kind: 'off' } });
      await running.page.getByText('hopper-from-config').first().waitFor();
      const pages = processesOf(installed, '--type=renderer');
      expect(pages).toHaveLength(1);
      expect(pages.every(isSandboxed)).toBe(true);
      await running.close();
      running = null;
    });

    // The system's own question for a password is answered by a stand-in that writes down what it was to run, and
    // says no.
    it('asks its feed, refuses a file that was changed, and installs only when told to', async () => {
      const feed = await startUpdateFeed('9.9.9');
      const said = join(own, 'pkexec-said');
      const stand = `#!/bin/sh\nprintf '%s\\n' "$*" >>'${said}'\nexit 126\n`;
      system.run('sh', '-c', 'printf %s "$1" >/usr/bin/pkexec && chmod 755 /usr/bin/pkexec', 'sh', stand);
      try {
        running = await startPackaged({
          executable: installed,
          folder: own,
          enter: system.enter,
          environment: { TRANCHE_UPDATE_FEED: feed.url },
        });
        const { page } = running;
        await page.getByText('hopper-from-config').first().waitFor();
        expect(feed.asked).toEqual([]); // not before somebody looks
        await page.keyboard.press('Control+k');
        await page.locator('.palette input').fill('updates');
        await page.getByRole('option', { name: /Check for updates/ }).click();
        const dialog = page.getByRole('dialog', { name: 'Updates' });
        const press = (name: string): Promise<void> => dialog.getByRole('button', { name }).click();
        feed.honest = false;
        await dialog.getByText('Tranche 9.9.9 is there. This is 0.1.0.').waitFor();
        expect(feed.asked.map(({ path }) => path)).toEqual(['/latest-linux.yml']);
        await press('Download');
        await dialog.getByText('is not the file that the feed names').waitFor();
        expect(await dialog.locator('pre').textContent()).toMatch(/sha512 checksum mismatch/);
        feed.honest = true;
        await press('Look again');
        await press('Download');
        await dialog.getByText('Tranche 9.9.9 is downloaded').waitFor();
        expect(existsSync(said)).toBe(false);
        await press('Install and restart');
        await dialog.getByText('Tranche 9.9.9 was not installed').waitFor();
        // One question, for one thing.
        expect(readFileSync(said, 'utf8')).toMatch(/^.* apt install .*tranche_9\.9\.9_amd64\.deb\n$/);
        // Nobody is counted: no number of this installation is sent.
        expect(feed.asked.map(({ headers }) => headers['x-user-staging-id'])).toEqual(
          feed.asked.map(() => 'none'),
        );
      } finally {
        await running?.close();
        running = null;
        await feed.close();
      }
    });

    it('leaves nothing when it is removed', () => {
      system.run('dpkg', '--remove', 'tranche');
      const left = system.run('find', '/opt', '/usr', '/etc', '-xdev', '-iname', '*tranche*');
      expect(left).toBe('');
    });
  });

  it.skipIf(!hasRpm)('are the same files as a deb and as an rpm', () => {
    const rpm = join(release, 'tranche-0.1.0.x86_64.rpm');
    const query = (...words: string[]): string =>
      execFileSync('rpm', ['--query', ...words, '--package', rpm], { encoding: 'utf8' });
    const inRpm = query('--list').trim().split('\n').sort();
    const inDeb = execFileSync('dpkg-deb', ['--contents', join(release, 'tranche_0.1.0_amd64.deb')], {
      encoding: 'utf8',
    })
      .split('\n')
      .flatMap((line) => /^-.* \.(\/.*)$/.exec(line)?.[1] ?? [])
      .sort();
    expect(inRpm).toEqual(inDeb);
    expect(query('--queryformat', '%{ARCH} %{LICENSE} %{PACKAGER}')).toBe(
      'x86_64 Apache-2.0 The Tranche authors',
    );
    expect(
      execFileSync('dpkg-deb', ['--field', join(release, 'tranche_0.1.0_amd64.deb'), 'License'], {
        encoding: 'utf8',
      }),
    ).toBe('Apache-2.0\n');
    expect(inRpm).toContain('/opt/Tranche/resources/LICENSE');
    expect(query('--requires')).toContain('libgtk-3.so.0()(64bit)');
    expect(query('--scripts')).toContain('if [ "$1" -gt 0 ]; then exit 0; fi');
    // What rpm made of the script is still one that the shell takes.
    const scripts = query('--queryformat', '%{POSTIN}');
    expect(spawnSync('bash', ['-n'], { input: scripts }).status).toBe(0);
    expect(scripts).toContain("chmod 4755 '/opt/Tranche/chrome-sandbox'");
  });
});
