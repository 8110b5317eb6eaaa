/** The shell at the other end of the system's ssh, here without the ssh between. */
import { once } from 'node:events';
import { existsSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ProcessStream } from '../../../electron/core/ssh/process-stream.ts';
import { SHELL_FREE_CODE } from '../../../electron/core/ssh/shell.ts';
import { SystemShell, type ScriptChannel } from '../../../electron/core/ssh/system-shell.ts';

const SHELLS = ['/bin/sh', '/bin/bash'].filter((path) => existsSync(path));
let folder: string;
let shells: SystemShell[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tranche-shell-'));
  shells = [];
});
afterEach(() => {
  for (const shell of shells) shell.process.destroy();
  rmSync(folder, { recursive: true, force: true });
});

async function start(path: string, greeting = ''): Promise<SystemShell> {
  const shell = new SystemShell(
    new ProcessStream('/bin/sh', ['-c', `printf '%s' '${greeting}'; exec ${path} -s`]),
    () => undefined,
  );
  shells.push(shell);
  expect(await shell.up()).toBe(true);
  return shell;
}

async function ending(channel: ScriptChannel): Promise<{ out: string; code: number | null }> {
  let out = '';
  channel.setEncoding('utf8');
  channel.on('data', (text: string) => (out += text));
  await once(channel, 'end');
  return { out, code: channel.exitCode };
}

describe.each(SHELLS)('over %s', (path) => {
  it('runs scripts one after the other, each to its own end', async () => {
    const shell = await start(path, 'Welcome!\n@tranche-end 0 0\n');
    expect(await ending(shell.start('echo one; cd /; x=1; exit 3', false))).toEqual({
      out: 'one\n',
      code: 3,
    });
    expect(await ending(shell.start('printf "%s" "${x:-unset} $(pwd -P)"', false))).toMatchObject({
      code: 0,
      out: `unset ${realpathSync(process.cwd())}`,
    });
    expect(shell.isFree).toBe(true);
  });

  it('leaves nothing of a script that ended early to be run', async () => {
    const shell = await start(path);
    const planted = join(folder, 'planted');
    const script = `exit 4\ncat <<'END'\n${'x'.repeat(200_000)}\nEND\ntouch ${planted}\n`;
    expect(await ending(shell.start(script, false))).toMatchObject({ code: 4 });
    expect(await ending(shell.start('echo next', false))).toMatchObject({ out: 'next\n' });
    expect(existsSync(planted)).toBe(false);
  });

  it('passes much through, whole, in whatever pieces it comes', async () => {
    const shell = await start(path);
    const script = 'i=0; while [ $i -lt 3000 ]; do echo "@tranche-end line $i äöü"; i=$((i+1)); done';
    const { out, code } = await ending(shell.start(script, false));
    expect(code).toBe(0);
    expect(out.split('\n')).toHaveLength(3001);
    expect(out).toMatch(/line 2999 äöü\n$/);
  });

  it('is free again after a script that gave its stdin to nobody', async () => {
    const shell = await start(path);
    expect(await ending(shell.start(`echo missing; exit ${String(SHELL_FREE_CODE)}`, true))).toMatchObject({
      out: 'missing\n',
      code: SHELL_FREE_CODE,
    });
    expect(shell.isFree).toBe(true);
    expect(await ending(shell.start('echo still here', false))).toMatchObject({ out: 'still here\n' });
  });

  it('ends with a script that had its stdin, and runs nothing of what was still written', async () => {
    const shell = await start(path);
    const planted = join(folder, 'planted');
    // It reads one line, byte by byte, and leaves the rest.
    const channel = shell.start(`exec /bin/sh -c 'echo ready; read -r line; echo "got $line"; exit 0'`, true);
    channel.on('error', () => undefined);
    channel.write(`hello\n{"name":"$(touch ${planted})"}\n`);
    const { out, code } = await ending(channel);
    expect([out, code]).toEqual(['ready\ngot hello\n', 0]);
    expect(shell.isFree).toBe(false);
    await once(shell.process, 'close');
    expect(existsSync(planted)).toBe(false);
  });

  it('tells a channel when its ssh ends', async () => {
    const shell = await start(path);
    const channel = shell.start('exec sleep 60', true);
    const closed = once(channel, 'close');
    shell.process.child.kill('SIGKILL');
    await closed;
    expect(channel.exitCode).toBeNull();
    expect(shell.hasEnded).toBe(true);
  });
});
