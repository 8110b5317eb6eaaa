/** A real SSH server in front of a private root with simulated GPUs, and a core whose config names it. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Prompt } from '../../../model/model.ts';
import { CoreHarness, type CoreOverrides } from './core-harness.ts';
import { startDropbear, startOpenSsh, writeConfig, type OpenSsh, type OpenSshOptions } from './openssh.ts';
import { makePrivateRoot, type PrivateRoot } from './private-root.ts';

export interface LabServer extends OpenSsh {
  readonly root: PrivateRoot;
}

export interface ConfigHost {
  readonly name: string;
  readonly server: Pick<OpenSsh, 'port' | 'user' | 'hostKeyLine'> & { readonly identityFile?: string };
  /** Where the client connects instead, such as to a cable in front of the server. */
  readonly port?: number;
  readonly lines?: readonly string[];
  /** false: its key is not written into known_hosts. */
  readonly known?: boolean;
  /** false: no IdentityFile. */
  readonly key?: boolean;
}

/** What one test has started; `end` undoes it in reverse. */
export class SshLab {
  readonly folder = mkdtempSync(join(tmpdir(), 'tranche-lab-'));
  private readonly cleanups: (() => void | Promise<void>)[] = [
    () => {
      rmSync(this.folder, { recursive: true, force: true });
    },
  ];

  onEnd(cleanup: () => void | Promise<void>): void {
    this.cleanups.push(cleanup);
  }

  async end(): Promise<void> {
    for (const cleanup of this.cleanups.splice(0).reverse()) await cleanup();
  }

  async openssh(options: OpenSshOptions = {}, simulator = true): Promise<LabServer> {
    const root = makePrivateRoot({ simulator });
    this.onEnd(() => {
      root.destroy();
    });
    const server = await startOpenSsh({ ...options, env: { ...root.env, ...options.env } });
    this.onEnd(() => {
      server.stop();
    });
    return { ...server, root };
  }

  async dropbear(options: { readonly password?: string } = {}): Promise<LabServer> {
    const root = makePrivateRoot();
    this.onEnd(() => {
      root.destroy();
    });
    const server = await startDropbear({ ...options, env: root.env, home: root.env['HOME'] ?? '' });
    this.onEnd(() => {
      server.stop();
    });
    return { ...server, root };
  }

  /** Writes config and known_hosts. */
  config(hosts: readonly ConfigHost[]): string {
    const known = hosts.flatMap(({ server, port, known }) =>
      known === false ? [] : [`[127.0.0.1]:${String(port ?? server.port)} ${server.hostKeyLine}\n`],
    );
    writeFileSync(this.knownHosts, known.join(''));
    return writeConfig(
      this.folder,
      hosts.map(({ name, server, port, lines, key }) => ({
        name,
        port: port ?? server.port,
        user: server.user,
        ...(key === false || server.identityFile === undefined ? {} : { identityFile: server.identityFile }),
        ...(lines === undefined ? {} : { lines }),
      })),
    );
  }

  get knownHosts(): string {
    return join(this.folder, 'known_hosts');
  }

  async core(hosts: readonly ConfigHost[], overrides: CoreOverrides = {}): Promise<CoreHarness> {
    const harness = await CoreHarness.start(this.config(hosts), overrides);
    this.onEnd(() => harness.stop());
    return harness;
  }
}

export const logOf = (server: OpenSsh): string => readFileSync(join(server.folder, 'log'), 'utf8');

/** Answers every question of these hosts as it comes, until `until` holds; returns the questions. */
export async function answering(
  harness: CoreHarness,
  hostIds: string | readonly string[],
  answer: (prompt: Prompt) => readonly string[] | null,
  until: () => boolean,
): Promise<readonly Prompt[]> {
  const ids = typeof hostIds === 'string' ? [hostIds] : hostIds;
  const asked: Prompt[] = [];
  const isNew = ({ promptId }: Prompt) => !asked.some((before) => before.promptId === promptId);
  for (;;) {
    const open = await harness.until(`${ids.join(', ')} asks, or it is over`, () => {
      if (until()) return 'over';
      for (const hostId of ids) {
        const { connection } = harness.host(hostId);
        if (connection.kind === 'asking' && isNew(connection.prompt))
          return { hostId, prompt: connection.prompt };
      }
      return null;
    });
    if (open === 'over') return asked;
    const { hostId, prompt } = open;
    asked.push(prompt);
    const answers = answer(prompt);
    await harness.ask('prompt:answer', {
      hostId,
      promptId: prompt.promptId,
      answers: answers === null ? null : [...answers],
    });
  }
}

/** From a click to live samples, the agent installed on the way. */
export async function bringLive(
  harness: CoreHarness,
  hostId: string,
  answer: (prompt: Prompt) => readonly string[] | null = () => null,
): Promise<readonly Prompt[]> {
  await harness.ask('host:connect', { hostId });
  const settled = () => !['connecting', 'asking'].includes(harness.host(hostId).connection.kind);
  const asked = await answering(harness, hostId, answer, settled);
  await harness.untilConnection(hostId, 'preview');
  await harness.ask('host:deploy', { hostId });
  await harness.untilConnection(hostId, 'live');
  await harness.until('a first sample', () => harness.samples.get(hostId));
  return asked;
}
