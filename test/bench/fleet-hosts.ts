/** A fleet of scripted agents, each behind an SSH server of its own on loopback, and the config that names them. */
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Server, utils, type ParsedKey } from 'ssh2';
import { newKeyPair } from '../../electron/lab/ssh-host.ts';
import { ScriptedAgent, type FleetShape } from './fleet-agent.ts';

const USER = 'mira';

export interface FleetOptions extends FleetShape {
  readonly hosts: number;
}

export interface FleetSimulator {
  readonly names: readonly string[];
  /** Names every host, and where its key and ours are. Readable by everybody: nothing of it is secret. */
  readonly configFile: string;
  /** The agents, in the order of their names. */
  readonly agents: readonly ScriptedAgent[];
  /** Samples that were sent so far, over all hosts. */
  sent(): number;
  stop(): void;
}

function serve(agent: ScriptedAgent, hostKey: string, client: ParsedKey): Server {
  const server = new Server({ hostKeys: [hostKey], ident: 'OpenSSH_9.2 fleet' }, (connection) => {
    connection.on('error', () => undefined); // a client that went away
    connection.on('authentication', (context) => {
      const { method } = context;
      const good =
        method === 'publickey' &&
        context.key.data.equals(client.getPublicSSH()) &&
        (!context.signature ||
          !context.blob ||
          client.verify(context.blob, context.signature, context.hashAlgo));
      if (good) context.accept();
      else context.reject(['publickey']);
    });
    connection.on('session', (accept) => {
      accept().on('exec', (acceptExec) => {
        const channel = acceptExec();
        channel.on('error', () => undefined);
        let script = '';
        const onScript = (chunk: Buffer) => {
          script += chunk.toString('utf8');
          const nonce = /^nonce='([0-9a-f]+)'$/m.exec(script)?.[1];
          if (nonce === undefined || !/^say missing$/m.test(script)) return;
          channel.off('data', onScript);
          agent.attach(channel, nonce);
        };
        channel.on('data', onScript);
      });
    });
  });
  return server;
}

export async function startFleet(options: FleetOptions): Promise<FleetSimulator> {
  const folder = mkdtempSync(join(tmpdir(), 'tranche-fleet-'));
  chmodSync(folder, 0o755);
  const clientKey = newKeyPair();
  const parsed = utils.parseKey(clientKey.public);
  if (parsed instanceof Error) throw parsed;
  const client = (Array.isArray(parsed) ? parsed[0] : parsed) as ParsedKey;
  const hostKey = newKeyPair();
  const [keyType = '', keyData = ''] = hostKey.public.split(' ');
  const identityFile = join(folder, 'client_key');
  const knownHosts = join(folder, 'known_hosts');
  writeFileSync(identityFile, clientKey.private, { mode: 0o600 });
  const fleet: { name: string; agent: ScriptedAgent; server: Server; port: number }[] = [];
  for (let n = 1; n <= options.hosts; n += 1) {
    const name = `node${String(n).padStart(2, '0')}`;
    const agent = new ScriptedAgent(name, options);
    const server = serve(agent, hostKey.private, client);
    server.listen(0, '127.0.0.1');
    await once(server as never, 'listening');
    fleet.push({ name, agent, server, port: (server.address() as AddressInfo).port });
  }
  writeFileSync(
    knownHosts,
    fleet.map(({ port }) => `[127.0.0.1]:${String(port)} ${keyType} ${keyData}\n`).join(''),
  );
  const configFile = join(folder, 'config');
  const entries = fleet.map(({ name, port }) => `Host ${name}\n  Port ${String(port)}\n`);
  const common = [
    'Host *',
    '  HostName 127.0.0.1',
    `  User ${USER}`,
    `  IdentityFile ${identityFile}`,
    '  IdentitiesOnly yes',
    '  IdentityAgent none',
    `  UserKnownHostsFile ${knownHosts}`,
    '  GlobalKnownHostsFile none',
    '  StrictHostKeyChecking yes',
  ];
  writeFileSync(configFile, `${entries.join('')}${common.join('\n')}\n`, { mode: 0o644 });
  return {
    names: fleet.map(({ name }) => name),
    configFile,
    agents: fleet.map(({ agent }) => agent),
    sent: () => fleet.reduce((sum, { agent }) => sum + agent.sent, 0),
    stop: () => {
      for (const { server } of fleet) server.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
