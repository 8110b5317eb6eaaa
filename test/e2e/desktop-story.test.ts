/** The story in real Electron: an unprivileged user, the sandbox on, the core in its utility process. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isBuilt, launchDesktop, runtimeFolder, whyNoRuntime, type Desktop } from './desktop.ts';
import { tellStory } from './story.ts';

describe.skipIf(runtimeFolder === null || !isBuilt)(`the desktop app${whyNoRuntime}`, () => {
  let desktop: Desktop;
  const complaints: string[] = [];

  beforeAll(async () => {
    desktop = await launchDesktop({
      agents: true,
      sshConfig: 'Host hopper-from-config\n  HostName 127.0.0.1\n  Port 9\n',
    });
    await desktop.page.evaluate(() => {
      addEventListener('securitypolicyviolation', (event) => {
        console.error(`CSP ${event.violatedDirective} ${event.blockedURI}`);
      });
    });
    desktop.page.on('console', (message) => {
      if (message.type() === 'error') complaints.push(message.text());
    });
    desktop.page.on('pageerror', (error) => complaints.push(String(error)));
    await desktop.app.evaluate(({ BrowserWindow }) => {
      BrowserWindow.getAllWindows()[0]?.setBounds({ x: 0, y: 0, width: 1600, height: 1000 });
    });
  });
  afterAll(() => desktop?.close());

  it('tells the whole story', async () => {
    await tellStory({ page: desktop.page, folder: desktop.folder, name: 'desktop' });
  });

  it('ran its page inside the sandbox and made no complaint', async () => {
    const pid = await desktop.app.evaluate(({ BrowserWindow }) =>
      BrowserWindow.getAllWindows()[0]?.webContents.getOSProcessId(),
    );
    expect(readFileSync(`/proc/${String(pid)}/status`, 'utf8')).toMatch(/^Seccomp:\s+2$/m);
    expect(complaints).toEqual([]);
  });

  it('copied the run command', async () => {
    expect(await desktop.app.evaluate(({ clipboard }) => clipboard.readText())).toMatch(
      /\/current\/tranche run --slice finetune -- python train\.py$/,
    );
  });
});
