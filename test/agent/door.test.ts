/** The door, kept by a real agent, at a cgroup of the test's own: who gets in, what outlasts whom, who is told. What the
 * kernel's program decides in itself is door_test.c's. */
import {
  copyFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { auditReplySchema } from '../../model/agent-protocol.ts';
import { Client, hasSim, NOBODY, TestHost, until, type Line } from './agent_process.ts';
import { hasGcc } from './build_sanitized.ts';
import { DoorHost, noDoor, Output, read, sealed } from './door_host.ts';

const SUDO = ['/usr/bin/sudo', '/bin/sudo'].find((path) => existsSync(path));
/** What a service's start takes to be seen: it is told of at once, and looked for each second. */
const SEEN_MS = 5000;

let host: DoorHost;
let client: Client;

const describeDoor = describe.skipIf(noDoor !== null || !hasSim);
const why = noDoor === null ? '' : ` (skipped: ${noDoor})`;

async function start(): Promise<void> {
  await host.start();
  client = await Client.open(host.root);
}

/** The agent, and a door that is in this mode. */
async function startWith(mode: 'watch' | 'on', fields: Line = {}): Promise<void> {
  await start();
  expect(await client.ask('door-set', { mode, ...fields })).toMatchObject({ ok: true });
}

/** Of a slice; its folder is called by the slice's id. */
async function makeScope(): Promise<string> {
  const made = await client.create();
  return host.below(join('slices', String(made['sliceId'])));
}

const asNobody = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'];

async function findings(pid?: number): Promise<Record<string, string>> {
  const reply = await client.ask('doctor', pid === undefined ? {} : { pid });
  return Object.fromEntries(
    (reply['findings'] as Line[]).map((one) => [String(one['code']), String(one['message'])]),
  );
}

async function audited(action: string): Promise<Line[]> {
  const { records } = auditReplySchema.parse(await client.ask('audit', {}));
  return records.filter((record) => record.action === action);
}

/** Asked again until it is so: what an agent does by the second. */
const soon = (what: string, check: () => boolean): Promise<boolean> => until(what, check, SEEN_MS);

describeDoor(`the door${why}`, () => {
  beforeEach(() => {
    host = new DoorHost();
  });

  afterEach(async () => {
    client?.close();
    await host.end();
  });

  describe('a newcomer is refused', () => {
    const everybody = (): readonly (readonly [string, readonly string[]])[] => {
      const setuid = join(host.root.path, 'setuid-cat');
      copyFileSync('/bin/cat', setuid);
      chmodSync(setuid, 0o4755);
      const mknod = `mknod -m 666 "$0.again" c 1 7 && true <"$0.again" && echo opened`;
      return [
        ['as a child', ['/bin/sh', '-c', 'true <"$0" && echo opened', host.node]],
        ['for writing', ['/bin/sh', '-c', 'true >"$0" && echo opened', host.node]],
        ['by the other device', ['/bin/sh', '-c', 'true <"$0" && echo opened', host.control]],
        [
          'in a session of its own',
          ['setsid', '-w', '/bin/sh', '-c', 'true <"$0" && echo opened', host.node],
        ],
        ['as another user', [...asNobody, '/bin/sh', '-c', 'true <"$0" && echo opened', host.node]],
        ['by su', ['su', '-s', '/bin/sh', 'nobody', '-c', `true <${host.node} && echo opened`]],
        ['by a program that is root’s for everybody', [...asNobody, setuid, host.node]],
        ['without an environment', ['env', '-i', '/bin/sh', '-c', 'true <"$0" && echo opened', host.node]],
        ['by a node that it makes itself', ['/bin/sh', '-c', mknod, host.node]],
        [
          'in namespaces of its own',
          [
            ...asNobody,
            'unshare',
            '-Urmpf',
            '--mount-proc',
            '/bin/sh',
            '-c',
            'true <"$0" && echo opened',
            host.node,
          ],
        ],
        [
          'as root in namespaces of its own',
          ['unshare', '-mpfC', '--mount-proc', '/bin/sh', '-c', 'true <"$0" && echo opened', host.node],
        ],
        ...(SUDO === undefined ? [] : [['by sudo', [SUDO, '-n', 'cat', host.node]] as const]),
      ];
    };

    test('however it was started', async () => {
      await start();
      expect(host.open().isLetIn).toBe(true); // before
      expect(await client.ask('door-set', { mode: 'on' })).toMatchObject({ ok: true });
      const all = everybody();
      const outcomes = all.map(([name, command]) => ({ name, ...host.in(command) }));
      expect(outcomes.filter(({ isRefused }) => !isRefused)).toEqual([]);
      const { refusedCount } = await client.ask('door');
      expect(refusedCount).toBeGreaterThanOrEqual(all.length);
    });

    test('as the child of a daemon that has left its session, as cron’s and at’s are', async () => {
      await startWith('on');
      const told = join(host.root.path, 'told');
      const daemon = `setsid sh -c '(setsid sh -c "true <\\"$0\\" && echo opened || echo refused" >"${told}" 2>&1 &)' "$0"`;
      host.in(['/bin/sh', '-c', daemon, host.node]);
      await soon('its word', () => existsSync(told) && /opened|refused/.test(read(told)));
      expect(read(told)).toMatch(/not permitted\nrefused/);
    });

    test('and the kernel’s other devices are nobody’s business', async () => {
      await startWith('on');
      expect(host.in(['head', '-c', '1', '/dev/urandom']).status).toBe(0);
    });
  });

  describe('let in is', () => {
    test('who is in a slice’s scope, with all that it starts', async () => {
      await startWith('on');
      const scope = await makeScope();
      await soon('the scope to be let in', () => host.open(scope).isLetIn);
      expect(host.open(join(scope), asNobody).isLetIn).toBe(true);
      expect(host.open(host.below(join('slices', basename(scope), 'deeper/still'))).isLetIn).toBe(true);
      expect(host.open(scope, ['setsid', '-w']).isLetIn).toBe(true);
      expect(host.open(host.below('slices-of-another')).isRefused).toBe(true);
      expect(host.open().isRefused).toBe(true);
    });

    test('a person who is exempt, until no more', async () => {
      await startWith('on');
      expect(host.door('--exempt', 'nobody').status).toBe(0);
      expect(host.open(host.group, asNobody).isLetIn).toBe(true);
      expect(host.open().isRefused).toBe(true);
      expect(host.door().stdout).toMatch(/The door is on.*\n.*\n\s+services\s+none\n\s+people\s+nobody/);
      expect(host.door('--no-exempt', 'nobody').status).toBe(0);
      expect(host.open(host.group, asNobody).isRefused).toBe(true);
    });

    test('a service that was named, also one that starts later and again', async () => {
      await startWith('on');
      const path = host.pathOf(join(host.group, 'gpu.slice/monitor.service'));
      expect(host.door('--service', path)).toMatchObject({ status: 0 });
      const beside = host.below('gpu.slice/another.service');
      expect(host.open(beside).isRefused).toBe(true);
      for (const round of [1, 2]) {
        const service = host.below('gpu.slice/monitor.service');
        await soon(`the service to be let in, round ${round}`, () => host.open(service).isLetIn);
        rmdirSync(service);
      }
      expect(host.open(beside).isRefused).toBe(true);
    });

    test('a name that is nobody’s, and a path that is none: nothing is changed', async () => {
      await startWith('on');
      expect(await client.ask('door-set', { exempt: 'no-such-person' })).toMatchObject({
        code: 'unknown-owner',
      });
      for (const services of ['../x', '/a/../b', 'a/b', '/x//y', '/x/', 'a service;'])
        expect(await client.ask('door-set', { services })).toMatchObject({ ok: false, code: 'bad-request' });
      expect(await client.ask('door-set', {})).toMatchObject({ ok: false, code: 'bad-request' });
      expect(await client.ask('door-set', { mode: 'ajar' })).toMatchObject({
        ok: false,
        code: 'bad-request',
      });
      expect(await client.ask('door')).toMatchObject({ mode: 'on', set: 'on', services: '', exempt: '' });
    });
  });

  /** Opens when a line comes, and once at its start, which stays open. */
  const HOLDER = [
    'exec 3<"$0" && echo holds',
    'while read word; do case $word in',
    '  again) (exit 0); true <"$0" && echo let in || echo refused;;',
    '  child) sh -c \'true <"$0" && echo child let in || echo child refused\' "$0";;',
    '  reads) dd bs=1 count=1 <&3 2>/dev/null | wc -c;;',
    'esac; done',
  ].join('\n');

  test('what runs goes on: a holder opens anew, and what it starts is a newcomer', async () => {
    await start();
    const holder = host.keepIn(['/bin/sh', '-c', HOLDER, host.node]);
    const output = new Output(holder);
    await output.has('holds');
    expect(await client.ask('door-set', { mode: 'on' })).toMatchObject({ ok: true });
    holder.stdin?.write('again\n');
    await output.has('let in');
    holder.stdin?.write('child\n');
    await output.has('child refused');
    holder.stdin?.write('reads\n');
    await output.has('1\n');
    expect(host.open().isRefused).toBe(true);
    // Also after another agent has taken the door over.
    await host.agent?.stop('SIGKILL');
    client.close();
    await start();
    output.text = '';
    holder.stdin?.write('again\n');
    await output.has('let in');
    holder.kill('SIGKILL');
  });

  test('watching refuses nobody, counts, and tells of it', async () => {
    await startWith('watch');
    await client.ask('subscribe', { sampleIntervalMs: 60_000 });
    expect(host.open(host.group, asNobody).isLetIn).toBe(true);
    const notice = await client.event('notice', (line) => line['code'] === 'door-watched');
    expect(notice['message']).toMatch(
      /of nobody \(process \d+\).* would have been refused .* 1:7, outside of every slice/,
    );
    expect(await client.ask('door')).toMatchObject({ mode: 'watch', watchedCount: 1, refusedCount: 0 });
    expect(await findings(Number(notice['pid']))).toMatchObject({
      'process-watched': expect.stringMatching(/when the door is on, that is refused/) as string,
    });
    // Whoever opened it while it was watched holds it when it is shut.
    const holder = host.keepIn(['/bin/sh', '-c', HOLDER, host.node]);
    const output = new Output(holder);
    await output.has('holds');
    expect(host.door('on').status).toBe(0);
    holder.stdin?.write('again\n');
    await output.has('let in');
    expect(host.open().isRefused).toBe(true);
  });

  describe('the agent may go', () => {
    test('killed: the door is as shut as before, and the next one takes it over', async () => {
      await startWith('on', { exempt: 'nobody' });
      const scope = await makeScope();
      await soon('the scope to be let in', () => host.open(scope).isLetIn);
      const { refusedCount } = await client.ask('door');
      expect(host.open().isRefused).toBe(true);
      await host.agent?.stop('SIGKILL');
      client.close();
      expect(host.open().isRefused).toBe(true);
      expect(host.open(scope).isLetIn).toBe(true);
      expect(host.open(host.group, asNobody).isLetIn).toBe(true);
      await start();
      expect(await client.ask('door')).toMatchObject({
        mode: 'on',
        set: 'on',
        why: null,
        refusedCount: Number(refusedCount) + 2,
        exempt: 'nobody',
      });
      expect(host.open().isRefused).toBe(true);
      expect(host.open(scope).isLetIn).toBe(true);
    });

    test.each([
      ['after a reboot', 'another-boot'],
      ['killed after it wrote down what was asked for, and before it did it', ''],
    ])('%s: the next one shuts the door', async (_, bootId) => {
      await start();
      await host.agent?.stop('SIGKILL');
      client.close();
      writeFileSync(host.stateFile('door'), sealed({ mode: 'on', services: '', exempt: '', bootId }));
      await start();
      expect(host.open().isRefused).toBe(true);
      // From now on it is an order to take it away, also while there is no agent.
      await host.agent?.stop('SIGKILL');
      client.close();
      expect(host.door('off').stdout).toMatch(/was taken away/);
      await start();
      expect(host.open().isLetIn).toBe(true);
    });

    test('while it goes and comes, and people set it anew, nobody slips in', async () => {
      await startWith('on');
      const tries =
        'i=0; while :; do true 2>/dev/null <"$0" && echo IN; i=$((i+1)); [ $((i % 500)) = 0 ] && echo $i; done';
      const loop = host.keepIn(['/bin/sh', '-c', tries, host.node]);
      const output = new Output(loop);
      await output.has('500\n');
      for (let round = 0; round < 5; round++) {
        await host.agent?.stop('SIGKILL');
        client.close();
        await start();
        expect(host.door('--exempt', 'nobody').status).toBe(0);
        expect(host.door('--no-exempt', 'nobody').status).toBe(0);
      }
      loop.kill('SIGKILL');
      expect(output.text).not.toContain('IN');
      expect(output.text.split('\n').length).toBeGreaterThan(5);
    });
  });

  describe.skipIf(!hasGcc)('what somebody did to it past the agent', () => {
    test('one of before stands: it is replaced in one step, and who holds a device goes on', async () => {
      await start();
      const holder = host.keepIn(['/bin/sh', '-c', HOLDER, host.node]);
      const output = new Output(holder);
      await output.has('holds');
      expect(await client.ask('door-set', { mode: 'on', exempt: 'nobody' })).toMatchObject({ ok: true });
      await host.agent?.stop('SIGKILL');
      client.close();
      expect(host.tool('0', 'replace', '7')).toMatchObject({ status: 0, stderr: '' });
      expect(host.open(host.group, asNobody).isRefused).toBe(true); // it knows nobody
      const tries =
        'i=0; while :; do true 2>/dev/null <"$0" && echo IN; i=$((i+1)); [ $i = 200 ] && echo tried; done';
      const loop = host.keepIn(['/bin/sh', '-c', tries, host.node]);
      const loops = new Output(loop);
      await loops.has('tried');
      await start();
      expect(await client.ask('door')).toMatchObject({ mode: 'on', why: null });
      expect(host.open(host.group, asNobody).isLetIn).toBe(true);
      expect(host.open().isRefused).toBe(true);
      holder.stdin?.write('again\n');
      await output.has('let in');
      loop.kill('SIGKILL');
      expect(loops.text).not.toContain('IN');
    });

    test('an agent that was killed in the middle of shutting it: the next one goes on', async () => {
      await startWith('on');
      await host.agent?.stop('SIGKILL');
      client.close();
      expect(host.tool(null, 'mode', '1')).toMatchObject({ status: 0, stderr: '' });
      expect(host.open().isLetIn).toBe(true);
      await start();
      expect(host.open().isRefused).toBe(true);
      expect(await client.ask('door')).toMatchObject({ mode: 'on', why: null });
    });

    test('its mode is another: it is what was set, within seconds', async () => {
      await startWith('on');
      const { refusedCount } = await client.ask('door');
      expect(refusedCount).toBe(0);
      expect(host.tool(null, 'mode', '0')).toMatchObject({ status: 0, stderr: '' });
      await soon('the door to be shut again', () => host.open().isRefused);
      expect(host.agent?.log()).toMatch(/mode was changed past the agent; it is made on again/);
      expect(await client.ask('door')).toMatchObject({ mode: 'on', set: 'on', why: null });
    });
  });

  describe('the kill switch', () => {
    test('with the agent', async () => {
      await startWith('on');
      expect(host.open().isRefused).toBe(true);
      expect(host.door('off')).toMatchObject({ status: 0, stderr: '' });
      expect(host.open().isLetIn).toBe(true);
      expect(await client.ask('door')).toMatchObject({ mode: 'off', set: 'off' });
      expect(await audited('door-set')).toMatchObject([
        { detail: expect.stringContaining('door off') as string },
        { detail: expect.stringContaining('door on') as string },
      ]);
    });

    test('without one: it is found and taken away, and the next agent takes that for an order', async () => {
      await startWith('on');
      await host.agent?.stop('SIGKILL');
      client.close();
      expect(host.open().isRefused).toBe(true);
      const done = host.door('off');
      expect(done).toMatchObject({ status: 0 });
      expect(done.stdout).toMatch(/was taken away, past the agent/);
      expect(host.open().isLetIn).toBe(true);
      await start();
      expect(host.open().isLetIn).toBe(true);
      expect(await client.ask('door')).toMatchObject({ mode: 'off', set: 'off' });
      expect(await audited('door-set')).toMatchObject([
        { detail: expect.stringContaining('taken away past the agent') as string },
        { detail: expect.stringContaining('door on') as string },
      ]);
      // It can be shut again.
      expect(host.door('on').status).toBe(0);
      expect(host.open().isRefused).toBe(true);
    });

    test('no other user may use it, nor set anything', async () => {
      await startWith('on');
      const copied = host.openToOthers();
      chmodSync(join(host.root.path, 'root'), 0o755);
      for (const args of [['off'], ['watch'], ['--exempt', 'nobody']]) {
        const done = host.tranche(['door', ...args], { bin: copied('tranche'), uid: NOBODY });
        expect(done.status).not.toBe(0);
      }
      expect(host.open(host.group, asNobody).isRefused).toBe(true);
      expect(await client.ask('door')).toMatchObject({ mode: 'on', exempt: '' });
    });

    test('taken away past the agent: the mode is off, everybody is told, and it does not fight', async () => {
      await startWith('on');
      await client.ask('subscribe', { sampleIntervalMs: 60_000 });
      expect(host.takeAway().stdout).toMatch(/was taken away/);
      const notice = await client.event('notice', (line) => line['code'] === 'door-open');
      expect(notice['message']).toMatch(/taken away by root, past the agent/);
      await client.event('state', (line) => (line['door'] as Line)['mode'] === 'off');
      expect(await client.ask('door')).toMatchObject({ mode: 'off', set: 'off' });
      expect(await audited('door-set')).toMatchObject([
        { detail: expect.stringContaining('taken away past the agent') as string },
        {},
      ]);
      expect(host.open().isLetIn).toBe(true);
    });
  });

  describe('what was set is lost', () => {
    const damage: Record<string, () => void> = {
      'a byte is another': () => {
        const file = host.stateFile('door');
        writeFileSync(file, read(file).replace('"mode":"on"', '"mode":"off"'));
      },
      'the file is gone': () => {
        rmSync(host.stateFile('door'));
      },
    };
    test.each(Object.keys(damage))('%s: a door that stands is left as it is', async (how) => {
      await startWith('on', { exempt: 'nobody' });
      await host.agent?.stop('SIGKILL');
      client.close();
      damage[how]?.();
      await start();
      expect(host.open().isRefused).toBe(true);
      expect(host.open(host.group, asNobody).isLetIn).toBe(true);
      expect(await client.ask('door')).toMatchObject({
        mode: 'on',
        why: expect.stringMatching(/is lost/) as string,
      });
      expect(await findings()).toMatchObject({
        'door-lost': expect.stringMatching(/the one that stands is left as it is/) as string,
      });
      // Half of it would take the rest for nothing.
      expect(await client.ask('door-set', { exempt: 'daemon' })).toMatchObject({
        ok: false,
        code: 'bad-request',
      });
      expect(host.open(host.group, asNobody).isLetIn).toBe(true);
      expect(await client.ask('door-set', { mode: 'on', exempt: '', services: '' })).toMatchObject({
        ok: true,
      });
      expect(host.open(host.group, asNobody).isRefused).toBe(true);
      expect(await findings()).not.toHaveProperty('door-lost');
    });
  });

  describe('who was refused is told', () => {
    /** Is refused on a terminal of this person's, and stays there. */
    const onTerminal = (before: string): string[] => [
      'script',
      '-qfc',
      `${before} sh -c 'echo pid $$; true <${host.node}; read word'`,
      '/dev/null',
    ];

    test('on their own terminal, and by doctor --pid, also when it has ended', async () => {
      await startWith('on');
      const terminal = host.keepIn([...asNobody, ...onTerminal('exec')]);
      const output = new Output(terminal);
      await output.has('was refused the GPU');
      const pid = Number(/pid (\d+)/.exec(output.text)?.[1]);
      expect(output.text).toMatch(
        new RegExp(
          `tranche: process ${pid} was refused the GPU \\(device 1:7\\).*tranche doctor --pid ${pid} says more`,
        ),
      );
      terminal.stdin?.write('\n');
      await until('it to end', () => !existsSync(`/proc/${pid}`));
      expect(await findings(pid)).toMatchObject({
        'process-refused': expect.stringMatching(
          /was refused the GPU \(device 1:7, 1 times, last \d+ s ago\)/,
        ) as string,
      });
      const shown = host.tranche(['doctor', '--pid', String(pid)]);
      expect(shown.stdout).toMatch(/was refused the GPU/);
    });

    test('but not on a terminal that is somebody else’s', async () => {
      await startWith('on');
      const terminal = host.keepIn(onTerminal(`exec ${asNobody.join(' ')}`));
      const output = new Output(terminal);
      await output.has('pid ');
      const pid = Number(/pid (\d+)/.exec(output.text)?.[1]);
      await output.has('not permitted');
      await expect.poll(() => findings(pid)).toHaveProperty('process-refused');
      expect(output.text).not.toContain('tranche:');
    });

    test('to operators, a few times a minute for one person, and the rest is counted', async () => {
      await startWith('on');
      await client.ask('subscribe', { sampleIntervalMs: 60_000 });
      for (let i = 0; i < 8; i++) expect(host.open(host.group, asNobody).isRefused).toBe(true);
      expect(host.open().isRefused).toBe(true); // another person's is not left out for it
      await client.event(
        'notice',
        (line) => line['code'] === 'door-refused' && /of root/.test(String(line['message'])),
      );
      const notices = client.lines.filter(
        (line) => line['ev'] === 'notice' && line['code'] === 'door-refused',
      );
      expect(notices).toHaveLength(6);
      expect(notices[0]).toMatchObject({
        message: expect.stringMatching(
          /of nobody \(process \d+\).* was refused device 1:7, outside of every slice\.$/,
        ) as string,
      });
      expect(await client.ask('door')).toMatchObject({ refusedCount: 9 });
      expect(await audited('door-refused')).toHaveLength(6);
    });
  });

  test('more than are read at once: all are counted, and the agent goes on hearing', async () => {
    await startWith('on');
    await client.ask('subscribe', { sampleIntervalMs: 60_000 });
    const last = 70_150;
    host.agent?.child.kill('SIGSTOP');
    const each =
      'for uid in $(seq 70001 "$1"); do setpriv --reuid=$uid --clear-groups sh -c \'echo $$; true <"$0"\' "$0"; done';
    const pids = host.in(['/bin/sh', '-c', each, host.node, String(last)]).text.match(/^\d+$/gm) ?? [];
    host.agent?.child.kill('SIGCONT');
    expect(pids).toHaveLength(150);
    expect(await client.ask('door')).toMatchObject({ refusedCount: 150 });
    await expect.poll(() => findings(Number(pids.at(-1)))).toHaveProperty('process-refused');
    expect(host.open(host.group, asNobody).isRefused).toBe(true);
    await client.event('notice', (line) => /of nobody/.test(String(line['message'])));
  });

  test('how the door is, is said in the state and by doctor', async () => {
    await startWith('on');
    const door = { mode: 'on', why: null, refusedCount: 0, watchedCount: 0 };
    await client.ask('subscribe', { sampleIntervalMs: 60_000 });
    expect(await client.event('state')).toMatchObject({ door });
    expect(await findings()).toMatchObject({ door: expect.stringMatching(/The door is on/) as string });
  });
});

describe.skipIf(noDoor !== null || !hasSim)('where there can be no door', () => {
  let bare: TestHost;

  beforeEach(() => {
    bare = new TestHost();
  });

  afterEach(async () => {
    // Should it have shut one at the root all the same, it does not stay.
    await client.ask('door-set', { mode: 'off' });
    client.close();
    await bare.end();
  });

  test('a private root keeps none, says so, and does not touch the host’s', async () => {
    await bare.start();
    client = await Client.open(bare.root);
    expect(await client.ask('door-set', { mode: 'on' })).toMatchObject({
      ok: false,
      code: 'door-not-kept',
      message: expect.stringMatching(
        /Only the agent that manages the whole host keeps its door.*Nothing was changed/,
      ) as string,
    });
    expect(await client.ask('door')).toMatchObject({ mode: 'off', set: 'off', refusedCount: null });
    const off = bare.tranche(['door', 'off']);
    expect(off.stderr).toMatch(/a private root \(TRANCHE_ROOT\) has no door/);
    expect(off.status).not.toBe(0);
  });

  test('nor does one that is not root’s', async () => {
    const folder = join(bare.root.path, 'root');
    mkdirSync(folder);
    const copied = bare.openToOthers();
    chmodSync(bare.root.path, 0o777);
    chmodSync(folder, 0o777);
    bare.root.env['TRANCHE_DOOR_CGROUP'] = '/nowhere';
    await bare.start({ uid: NOBODY, bin: copied('tranche') });
    client = await Client.open(bare.root);
    expect(await client.ask('door-set', { mode: 'on' })).toMatchObject({
      ok: false,
      code: 'door-not-kept',
      message: expect.stringMatching(/needs an agent that is root’s|root's/) as string,
    });
    expect(readdirSync(folder).length).toBeGreaterThan(0);
  });
});
