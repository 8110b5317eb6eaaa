/** Servers that leave a client alone: ports that close at once, servers that let in and close, phones that do not answer. */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { byKeyboard, startServer, type AskingServer, type ServerOptions } from './support/asking-server.ts';
import { startCable } from './support/cable.ts';
import type { CoreHarness } from './support/core-harness.ts';
import { answering, SshLab } from './support/ssh-lab.ts';

let lab: SshLab;
beforeEach(() => {
  lab = new SshLab();
});
afterEach(() => lab.end());

/** A port behind which nobody is: what docker-proxy, `ssh -L` and balancers do then. */
async function closingPort(onConnect: (socket: Socket) => void): Promise<number> {
  const server: Server = createServer((socket) => {
    socket.on('error', () => undefined); // the client went away
    onConnect(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  lab.onEnd(() => {
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

async function asking(options: ServerOptions): Promise<AskingServer> {
  const server = await startServer(options);
  lab.onEnd(() => {
    server.stop();
  });
  return server;
}
const letIn: ServerOptions['authenticate'] = (context) => {
  context.accept();
};

describe('a port that accepts', () => {
  it.each([
    ['and ends at once', (socket: Socket) => socket.end()],
    ['and resets at once', (socket: Socket) => socket.resetAndDestroy()],
    ['and ends after a greeting', (socket: Socket) => socket.end('Not allowed at this time\r\n')],
    ['and says nothing', () => undefined],
  ])('%s is told, and holds no other host up', async (label, onConnect) => {
    const port = await closingPort(onConnect);
    const good = await asking({ authenticate: letIn });
    const dead = { port, user: 'mira', hostKeyLine: good.hostKeyLine };
    const names = ['dead1', 'dead2', 'dead3'];
    const harness = await lab.core([
      ...names.map((name) => ({ name, server: dead, lines: ['ConnectTimeout 3'] })),
      { name: 'good', server: good },
    ]);
    for (const name of names) await harness.ask('host:connect', { hostId: `ssh:${name}` });
    for (const name of names) {
      const { failure } = await harness.untilConnection(`ssh:${name}`, 'failed');
      expect(failure.code).toBe(label.includes('nothing') ? 'timed-out' : 'host-unreachable');
      if (label.includes('greeting')) expect(failure.message).toContain('Not allowed at this time');
    }
    await harness.ask('host:connect', { hostId: 'ssh:good' });
    await harness.untilConnection('ssh:good', 'preview');
  });

  it('gives its place back when the host is left while it is waited for', async () => {
    const port = await closingPort(() => undefined);
    const good = await asking({ authenticate: letIn });
    const dead = { port, user: 'mira', hostKeyLine: good.hostKeyLine };
    const names = ['dead1', 'dead2', 'dead3'];
    const harness = await lab.core([
      ...names.map((name) => ({ name, server: dead, lines: ['ConnectTimeout 600'] })),
      { name: 'good', server: good },
    ]);
    for (const name of names) await harness.ask('host:connect', { hostId: `ssh:${name}` });
    await harness.ask('host:connect', { hostId: 'ssh:good' });
    for (const name of names) await harness.ask('host:disconnect', { hostId: `ssh:${name}` });
    await harness.untilConnection('ssh:good', 'preview');
  });
});

describe('a host that was there', () => {
  const reachable = async (harness: CoreHarness) => {
    await harness.ask('host:connect', { hostId: 'ssh:host' });
    await harness.untilConnection('ssh:host', 'preview');
  };

  it('comes back after a time in which its port closed at once', async () => {
    const server = await asking({ authenticate: letIn });
    let away = false;
    let refused = 0;
    const cable = await startCable(server.port);
    lab.onEnd(() => {
      cable.stop();
    });
    const upstream = await import('node:net');
    const port = await closingPort((socket) => {
      if (away) {
        refused += 1;
        socket.end();
        return;
      }
      const through = upstream.connect(cable.port, '127.0.0.1');
      through.on('error', () => socket.destroy());
      through.on('close', () => socket.destroy());
      socket.on('close', () => through.destroy());
      socket.pipe(through).pipe(socket);
    });
    const harness = await lab.core([{ name: 'host', server, port }]);
    await reachable(harness);
    away = true;
    server.drop();
    await harness.until('it is tried in vain', () => refused >= 3);
    away = false;
    await harness.untilConnection('ssh:host', 'preview');
  });

  it('is tried anew by Retry now, although an attempt is under way', async () => {
    const server = await asking({ authenticate: letIn });
    let silent = false;
    const held: Socket[] = [];
    const { connect } = await import('node:net');
    const port = await closingPort((socket) => {
      if (silent) {
        held.push(socket);
        return;
      }
      const through = connect(server.port, '127.0.0.1');
      through.on('error', () => socket.destroy());
      through.on('close', () => socket.destroy());
      socket.pipe(through).pipe(socket);
    });
    const harness = await lab.core([{ name: 'host', server, port }]);
    await reachable(harness);
    silent = true;
    server.drop();
    await harness.until('an attempt hangs', () => held.length > 0);
    silent = false;
    const before = held.length;
    const askedAtMs = Date.now();
    await harness.ask('host:retry', { hostId: 'ssh:host' });
    await harness.untilConnection('ssh:host', 'preview');
    // The attempt that hung would have been given up after 5 s.
    expect(Date.now() - askedAtMs).toBeLessThan(4_500);
    expect(held).toHaveLength(before);
  });
});

describe('a host that lets in and ends the connection', () => {
  it('is signed in to once, and told', async () => {
    const server = await asking({ authenticate: letIn, onReady: (connection) => connection.end() });
    const harness = await lab.core([{ name: 'host', server }]);
    await harness.ask('host:connect', { hostId: 'ssh:host' });
    const { failure } = await harness.untilConnection('ssh:host', 'failed');
    expect(failure.message).toMatch(/let us in/);
    expect(failure.message).not.toMatch(/Slices/);
    expect(server.connectedAtMs).toHaveLength(1);
  });
});

describe('a config that is half saved', () => {
  it('does not end a host that is waited for, and wakes one that it stopped', async () => {
    const server = await asking({ authenticate: letIn });
    const cable = await startCable(server.port);
    lab.onEnd(() => {
      cable.stop();
    });
    const harness = await lab.core([{ name: 'host', server, port: cable.port }]);
    const config = join(lab.folder, 'config');
    const whole = readFileSync(config, 'utf8');
    await harness.ask('host:connect', { hostId: 'ssh:host' });
    await harness.untilConnection('ssh:host', 'preview');
    cable.pull();
    await harness.untilConnection('ssh:host', 'reconnecting');
    writeFileSync(config, `${whole}  IdentityFi\n`);
    await harness.ask('host:retry', { hostId: 'ssh:host' });
    await harness.until('the config is told', () =>
      harness.notices.some((notice) => notice.includes('does not resolve')),
    );
    await cable.plugIn();
    await harness.untilConnection('ssh:host', 'preview');
    await harness.ask('host:disconnect', { hostId: 'ssh:host' });
    const fresh = await harness.restart();
    await fresh.ask('host:connect', { hostId: 'ssh:host' });
    expect((await fresh.untilConnection('ssh:host', 'failed')).failure.code).toBe('ssh-config-invalid');
    writeFileSync(config, whole);
    await fresh.untilConnection('ssh:host', 'preview');
  });
});

describe('a second factor by push', () => {
  const PUSHED = 'Pushed a login request to your phone...';
  const HOST = 'ssh:host';

  /** A password, then a push that is confirmed after `confirmMs`, or never. */
  async function pushing(confirmMs: () => number | null) {
    const pushes: number[] = [];
    const server = await asking({
      authenticate: byKeyboard(async (ask) => {
        const [password] = await ask(['Password: ']);
        if (password !== 'secret') return false;
        pushes.push(Date.now());
        await ask([], PUSHED);
        const ms = confirmMs();
        return new Promise((resolve) => {
          if (ms !== null) setTimeout(resolve, ms, true);
        });
      }),
    });
    const harness = await lab.core([{ name: 'host', server, lines: ['ConnectTimeout 2'] }]);
    return { server, harness, pushes };
  }
  const signIn = (harness: CoreHarness) =>
    answering(
      harness,
      HOST,
      () => ['secret'],
      () => harness.host(HOST).connection.kind === 'preview',
    );

  it('is waited for longer than ConnectTimeout, with what the server says on the screen', async () => {
    const { harness } = await pushing(() => 4_000);
    await harness.ask('host:connect', { hostId: HOST });
    const shown = harness.until('what the server says', () => {
      const { connection } = harness.host(HOST);
      return connection.kind === 'connecting' && connection.step.includes(PUSHED);
    });
    await signIn(harness);
    await shown;
  });

  it('is asked for once after a link broke, and then by the user', async () => {
    let answers = true;
    const { server, harness, pushes } = await pushing(() => (answers ? 50 : null));
    await harness.ask('host:connect', { hostId: HOST });
    await signIn(harness);
    answers = false;
    server.drop();
    await harness.until('the reconnect pushes', () => pushes.length === 2);
    server.drop(); // nobody confirms, and the server gives up
    const { failure } = await harness.untilConnection(HOST, 'failed');
    expect(failure.code).toBe('sign-in-needs-you');
    expect(pushes).toHaveLength(2);
    answers = true;
    await harness.ask('host:retry', { hostId: HOST });
    await harness.untilConnection(HOST, 'preview');
    expect(pushes).toHaveLength(3);
  });
});

describe('a server that wants a new password first', () => {
  it('is told as that, and at once', async () => {
    const server = await asking({
      authenticate: (context) => {
        if (context.method === 'password')
          context.requestChange('Your password has expired.', () => undefined);
        else context.reject(['password']);
      },
    });
    const harness = await lab.core([{ name: 'host', server }]);
    await harness.ask('host:connect', { hostId: 'ssh:host' });
    await answering(
      harness,
      'ssh:host',
      () => ['secret'],
      () => harness.host('ssh:host').connection.kind === 'failed',
    );
    const { failure } = await harness.untilConnection('ssh:host', 'failed');
    expect(failure.code).toBe('authentication-failed');
    expect(failure.message).toMatch(/new password first \(Your password has expired\.\)/);
  });
});

describe('what was typed for one machine', () => {
  const HOST = 'ssh:inner';

  it('is sent to no other on the way, and the question names who asks', async () => {
    const told = { gate: [] as string[], inner: [] as string[] };
    const guarded = (who: keyof typeof told, secret: string) =>
      asking({
        authenticate: byKeyboard(async (ask) => {
          const [answer = ''] = await ask(['Password: ']);
          told[who].push(answer);
          return answer === secret;
        }),
      });
    const gate = await guarded('gate', 'gate-secret');
    const inner = await guarded('inner', 'inner-secret');
    const harness = await lab.core([
      { name: 'gate', server: gate },
      { name: 'inner', server: inner, lines: ['ProxyJump gate'] },
    ]);
    await harness.ask('host:connect', { hostId: HOST });
    const asked = await answering(
      harness,
      HOST,
      (prompt) => ['hostName' in prompt && prompt.hostName === 'gate' ? 'gate-secret' : 'inner-secret'],
      () => harness.host(HOST).connection.kind === 'preview',
    );
    expect(asked).toMatchObject([
      { kind: 'keyboard', hostName: 'gate', isJump: true },
      { kind: 'keyboard', hostName: 'inner', isJump: false },
    ]);
    gate.drop();
    await harness.until('both were told again', () => told.inner.length === 2);
    await harness.untilConnection(HOST, 'preview');
    expect(told).toEqual({
      gate: ['gate-secret', 'gate-secret'],
      inner: ['inner-secret', 'inner-secret'],
    });
  });

  it('a second time in the same words is asked for again after a reconnect, and nothing wrong is sent', async () => {
    const told: string[] = [];
    let code = 0;
    const server = await asking({
      authenticate: byKeyboard(async (ask) => {
        const [password = ''] = await ask(['Password: ']);
        const [once = ''] = await ask(['Password: ']);
        told.push(password, once);
        code += 1;
        return password === 'secret' && once === `code${String(code)}`;
      }),
    });
    const harness = await lab.core([{ name: 'inner', server }]);
    let asked = 0;
    const signIn = () =>
      answering(
        harness,
        HOST,
        () => {
          asked += 1;
          return [asked % 2 === 1 ? 'secret' : `code${String(asked / 2)}`];
        },
        () => harness.host(HOST).connection.kind === 'preview' && told.length % 4 === (asked === 2 ? 2 : 0),
      );
    await harness.ask('host:connect', { hostId: HOST });
    await signIn();
    server.drop();
    await harness.until('it asks again', () => harness.host(HOST).connection.kind !== 'preview');
    await signIn();
    expect(told).toEqual(['secret', 'code1', 'secret', 'code2']);
  });
});
