/** A host in the core's list, reached over the embedded SSH server, in a private root with simulated GPUs. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startDelayProxy } from '../../bench/delay-proxy.ts';
import { newKeyPair, SshHost, type SshHostOptions } from '../../../electron/lab/ssh-host.ts';
import { CoreHarness } from './core-harness.ts';
import { startOpenSsh, writeConfig } from './openssh.ts';
import { makePrivateRoot, type PrivateRoot } from './private-root.ts';

export interface LiveHost {
  readonly harness: CoreHarness;
  readonly root: PrivateRoot;
  readonly hostId: string;
  /** For another core that reaches the same host. */
  readonly configFile: string;
  /** Pulls the cable: connections break without a goodbye. Embedded server only. */
  dropAll(): void;
  stop(): Promise<void>;
}

export interface LiveHostOptions {
  readonly server?: 'embedded' | 'openssh';
  readonly root?: Parameters<typeof makePrivateRoot>[0];
  readonly ssh?: Partial<SshHostOptions>;
  readonly core?: Parameters<typeof CoreHarness.start>[1];
  readonly env?: Record<string, string>;
  /** Everything between core and server is held back by half of this, each way. */
  readonly roundTripMs?: number;
}

async function startServer(root: PrivateRoot, folder: string, options: LiveHostOptions) {
  const env = { ...root.env, ...options.env };
  if (options.server === 'openssh') {
    // A home of our own: sshd gives the account's.
    const sshd = await startOpenSsh({ env });
    writeFileSync(join(folder, 'known_hosts'), `[127.0.0.1]:${String(sshd.port)} ${sshd.hostKeyLine}\n`);
    return { ...sshd, dropAll: () => undefined };
  }
  const clientKey = newKeyPair();
  const hostKey = newKeyPair();
  const identityFile = join(folder, 'client_key');
  writeFileSync(identityFile, clientKey.private, { mode: 0o600 });
  const host = new SshHost({
    hostKey,
    clientKey,
    user: 'tester',
    env,
    cwd: root.env['HOME'] ?? '/',
    ...options.ssh,
  });
  const port = await host.listen();
  writeFileSync(
    join(folder, 'known_hosts'),
    `[127.0.0.1]:${String(port)} ${hostKey.public.split(' ').slice(0, 2).join(' ')}\n`,
  );
  return {
    port,
    user: 'tester',
    identityFile,
    dropAll: () => {
      host.dropAll();
    },
    stop: () => {
      host.close();
    },
  };
}

export async function startLiveHost(options: LiveHostOptions = {}): Promise<LiveHost> {
  const root = makePrivateRoot(options.root);
  const folder = mkdtempSync(join(tmpdir(), 'tranche-live-'));
  const direct = await startServer(root, folder, options);
  const proxy = options.roundTripMs ? await startDelayProxy(direct.port, options.roundTripMs) : null;
  const server = { ...direct, port: proxy?.port ?? direct.port };
  if (proxy) {
    const known = join(folder, 'known_hosts');
    writeFileSync(
      known,
      readFileSync(known, 'utf8').replace(`]:${String(direct.port)}`, `]:${String(proxy.port)}`),
    );
  }
  const config = writeConfig(folder, [
    { name: 'host', port: server.port, user: server.user, identityFile: server.identityFile },
  ]);
  const harness = await CoreHarness.start(config, options.core);
  return {
    harness,
    root,
    hostId: 'ssh:host',
    configFile: config,
    dropAll: server.dropAll,
    stop: async () => {
      await harness.stop();
      proxy?.stop();
      server.stop();
      root.destroy();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Connects, installs, and waits for the first sample. */
export async function goLive(host: LiveHost): Promise<void> {
  const { harness, hostId } = host;
  await harness.ask('host:connect', { hostId });
  await harness.untilConnection(hostId, 'preview');
  await harness.ask('host:deploy', { hostId });
  await harness.untilConnection(hostId, 'live');
  await harness.until('a first sample', () => harness.samples.get(hostId));
}
