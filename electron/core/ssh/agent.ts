/** The user's ssh-agent, offered only when somebody answers there; under IdentitiesOnly only the keys that are listed. */
import { existsSync, readdirSync } from 'node:fs';
import { connect } from 'node:net';
import {
  BaseAgent,
  createAgent,
  type IdentityCallback,
  type ParsedKey,
  type SignCallback,
  type SigningRequestOptions,
} from 'ssh2';
import { publicKeyOf } from './key-file.ts';
import { agentCandidates, PAGEANT, type Machine } from './paths.ts';

/** A live agent accepts at once; a socket file left behind refuses at once. */
const AGENT_TIMEOUT_MS = 1_000;

export type Identity = ParsedKey | Buffer | string;

/** Where an agent is to be expected: SSH_AUTH_SOCK, or what agents leave in their usual places. null: nowhere. */
export function defaultAgentSocket(machine: Machine): string | null {
  const onWindows = machine.platform === 'win32';
  let pipes: readonly string[] = [];
  if (onWindows) {
    try {
      pipes = readdirSync('\\\\.\\pipe\\');
    } catch {
      // Not listable for this user: the named ones are still tried.
    }
  }
  const exists = (path: string) => (onWindows ? pipes.includes(path.slice(9)) : existsSync(path));
  const named = machine.env['SSH_AUTH_SOCK'];
  if (named !== undefined && named !== '') return named;
  return agentCandidates(machine, pipes).find(exists) ?? (onWindows ? PAGEANT : null);
}

function answers(path: string): Promise<boolean> {
  if (path === PAGEANT) return Promise.resolve(true); // reached by window messages: asking is the only way to know
  return new Promise((resolve) => {
    const socket = connect(path);
    const settle = (live: boolean) => {
      socket.destroy();
      resolve(live);
    };
    socket.setTimeout(AGENT_TIMEOUT_MS, () => {
      settle(false);
    });
    socket.on('connect', () => {
      settle(true);
    });
    socket.on('error', () => {
      settle(false);
    });
  });
}

const blobOf = (key: Identity): Buffer =>
  typeof key === 'object' && 'getPublicSSH' in key ? key.getPublicSSH() : Buffer.from(key);

/** One key of an agent. Each is shown alone, so that what comes after it is decided with what the server said to it. */
class OneKeyAgent extends BaseAgent<Identity> {
  private readonly inner: BaseAgent<Identity>;
  private readonly key: Identity;
  private readonly onSigned: () => void;

  constructor(inner: BaseAgent<Identity>, key: Identity, onSigned: () => void) {
    super();
    this.inner = inner;
    this.key = key;
    this.onSigned = onSigned;
  }

  override getIdentities(callback: IdentityCallback<Identity>): void {
    callback(undefined, [this.key] as never);
  }

  override sign(
    key: Identity,
    data: Buffer,
    optionsOrCallback?: SigningRequestOptions | SignCallback,
    callback?: SignCallback,
  ): void {
    const options = typeof optionsOrCallback === 'object' ? optionsOrCallback : {};
    const done = typeof optionsOrCallback === 'function' ? optionsOrCallback : callback;
    this.inner.sign(key, data, options, (error, signature) => {
      if (!error) this.onSigned();
      done?.(error, signature);
    });
  }
}

export interface AgentKey {
  readonly blob: Buffer;
  readonly agent: BaseAgent<Identity>;
}

/**
 * The keys of the agent at `path`; a string says why there are none. Keys of the listed files come first, as in ssh, so
 * that a server's limit on tries is not spent before them; under IdentitiesOnly there are no others.
 */
export async function agentKeys(
  path: string,
  files: { readonly listed: readonly string[]; readonly listedOnly: boolean },
  onSigned: () => void,
): Promise<readonly AgentKey[] | string> {
  if (!(await answers(path))) return `nobody answers at ${path}`;
  const agent: BaseAgent<Identity> = createAgent(path);
  const listed = (await Promise.all(files.listed.map(publicKeyOf))).flatMap((blob) => blob ?? []);
  const held = await new Promise<readonly Identity[] | string>((resolve) => {
    agent.getIdentities((error, keys) => {
      resolve(error ? error.message : ((keys ?? []) as Identity[]));
    });
  });
  if (typeof held === 'string') return held;
  const all = held.map((key) => ({ blob: blobOf(key), agent: new OneKeyAgent(agent, key, onSigned) }));
  const rank = ({ blob }: AgentKey) => listed.findIndex((one) => one.equals(blob));
  return [
    ...all.filter((key) => rank(key) !== -1).sort((a, b) => rank(a) - rank(b)),
    ...(files.listedOnly ? [] : all.filter((key) => rank(key) === -1)),
  ];
}
