/** Bad input and trouble on the way to a host: each ends in one clear sentence, and nothing half-done stays. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { newPassword } from '../../electron/lab/ssh-host.ts';
import { CoreHarness } from './support/core-harness.ts';
import { goLive, startLiveHost, type LiveHost, type LiveHostOptions } from './support/live-host.ts';
import { requireBuilt } from './support/private-root.ts';

beforeAll(requireBuilt);
async function start(options: LiveHostOptions = {}): Promise<LiveHost> {
  const host = await startLiveHost(options);
  onTestFinished(() => host.stop());
  return host;
}

/** A small or noexec file system where the binaries would go. */
function mountAt(path: string, options: string): void {
  mkdirSync(path, { recursive: true });
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tranche-test', path]);
  onTestFinished(() => {
    execFileSync('umount', ['-l', path]);
  });
}
const isRoot = process.getuid?.() === 0;
const fish = ['/usr/bin/fish', '/bin/fish'].find((path) => existsSync(path));

describe('installation', () => {
  it.skipIf(!isRoot).each([
    ['noexec', 'noexec,size=8m', 'no-executable-place', /noexec/],
    ['full', 'size=64k', 'disk-full', /KiB free|full/],
  ])('on a %s disk says so and leaves nothing', async (_label, options, code, sentence) => {
    const host = await start();
    const { harness, hostId, root } = host;
    mountAt(join(root.path, 'bin'), options);
    await harness.ask('host:connect', { hostId });
    await harness.untilConnection(hostId, 'preview');
    const result = await harness.request('host:deploy', { hostId });
    expect(result).toMatchObject({ ok: false, error: { code } });
    if (!result.ok) {
      expect(result.error.message).toMatch(sentence);
      expect(result.error.message).toMatch(/What was there before is unchanged/);
    }
    expect(readdirSync(join(root.path, 'bin'))).toEqual([]);
  });

  it.skipIf(fish === undefined)('works for somebody whose login shell is fish', async () => {
    const host = await start({ ssh: { shell: fish ?? '' } });
    await goLive(host);
    expect(host.harness.host(host.hostId).connection.kind).toBe('live');
  });
});

describe('signing in', () => {
  it('asks for the password three times, then says what was refused; the right one goes through and is asked once', async () => {
    const password = newPassword();
    const host = await start({ ssh: { clientKey: null, password } });
    const { harness, hostId } = host;
    await harness.ask('host:connect', { hostId });
    const answered = new Set<string>();
    const answer = async (text: string) => {
      const promptId = await harness.until('a question', () => {
        const { connection } = harness.host(hostId);
        return connection.kind === 'asking' && !answered.has(connection.prompt.promptId)
          ? connection.prompt.promptId
          : null;
      });
      answered.add(promptId);
      await harness.ask('prompt:answer', { hostId, promptId, answers: [text] });
    };
    for (let attempt = 0; attempt < 3; attempt += 1) await answer('wrong');
    const { failure } = await harness.untilConnection(hostId, 'failed');
    expect(failure.code).toBe('authentication-failed');
    expect(failure.message).toMatch(/password/);

    await harness.ask('host:retry', { hostId });
    await answer(password);
    await harness.untilConnection(hostId, 'preview');
    await harness.ask('host:deploy', { hostId });
    await harness.untilConnection(hostId, 'live');
    const asked = answered.size;
    host.dropAll();
    await harness.untilConnection(hostId, 'reconnecting');
    await harness.untilConnection(hostId, 'live');
    expect(answered.size).toBe(asked);
  });

  it('can be cancelled while the question is open', async () => {
    const host = await start({ ssh: { clientKey: null, password: newPassword() } });
    const { harness, hostId } = host;
    await harness.ask('host:connect', { hostId });
    const { prompt } = await harness.untilConnection(hostId, 'asking');
    await harness.ask('prompt:answer', { hostId, promptId: prompt.promptId, answers: null });
    const { failure } = await harness.untilConnection(hostId, 'failed');
    expect(failure.code).toBe('authentication-cancelled');
    await harness.ask('host:retry', { hostId });
    await harness.untilConnection(hostId, 'asking');
    await harness.ask('host:disconnect', { hostId });
    await harness.untilConnection(hostId, 'disconnected');
  });
});

describe('the list of hosts', () => {
  it('follows the config while the app runs: what is added, also by Include, and what is taken out', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tranche-config-'));
    onTestFinished(() => {
      rmSync(folder, { recursive: true, force: true });
    });
    const config = join(folder, 'config');
    mkdirSync(join(folder, 'more'));
    const write = (path: string, text: string) => {
      // As editors do: a new file in the place of the old one.
      writeFileSync(`${path}.new`, text);
      renameSync(`${path}.new`, path);
    };
    write(config, `Include ${folder}/more/*.conf\nHost ada\n`);
    write(join(folder, 'more/lab.conf'), 'Host hopper\n');
    const harness = await CoreHarness.start(config);
    onTestFinished(() => harness.stop());
    expect([...harness.hosts.keys()].sort()).toEqual(['ssh:ada', 'ssh:hopper']);
    write(config, `Include ${folder}/more/*.conf\nHost ada turing\n`);
    await harness.until('turing appears', () => harness.hosts.has('ssh:turing'));
    write(join(folder, 'more/new.conf'), 'Host lovelace\n');
    await harness.until('lovelace appears', () => harness.hosts.has('ssh:lovelace'));
    write(join(folder, 'more/lab.conf'), '# nobody\n');
    await harness.until('hopper is gone', () => !harness.hosts.has('ssh:hopper'));
  });

  it('remembers what was open and typed, reconnects it, and forgets it when told to', async () => {
    const host = await start();
    await goLive(host);
    const { harness, hostId } = host;
    const again = await harness.restart();
    await again.untilConnection(hostId, 'live');
    expect(await again.request('host:add', { address: '-oProxyCommand=id' })).toMatchObject({
      ok: false,
      error: { code: 'bad-host-name' },
    });
    const { hostId: typed } = await again.ask('host:add', { address: 'nobody@127.0.0.1:1' });
    await again.untilConnection(typed, 'failed');
    await again.ask('host:forget', { hostId: typed });
    await again.until('it is gone', () => !again.hosts.has(typed));
  });
});

it('a damaged list of hosts is told for as long as the app runs', async () => {
  const data = mkdtempSync(join(tmpdir(), 'tranche-core-'));
  writeFileSync(join(data, 'hosts.json'), '{"version":1,"typed":["a"');
  const config = join(data, 'config');
  writeFileSync(config, 'Host a\n');
  const harness = await CoreHarness.start(config, {}, data);
  onTestFinished(() => harness.stop());
  for (const _look of [1, 2]) {
    const { configNotes } = await harness.ask('fleet:get', {});
    expect(configNotes).toEqual([expect.stringMatching(/hosts\.json\.broken/)]);
  }
});
