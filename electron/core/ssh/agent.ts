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

interface Selection {
  /** Keys of the listed key files: shown first, as ssh does, so that a server's limit on tries is not spent before. */
  readonly listed: readonly Buffer[];
  /** IdentitiesOnly: and no others. */
  readonly listedOnly: boolean;
  /** Told what was shown, so that the same keys need not be tried again from their files. */
  readonly onShown: (blobs: readonly Buffer[]) => void;
}

/** An agent that shows its keys in the order that ssh would, or only some of them. */
class SelectedKeysAgent extends BaseAgent<Identity> {
  private readonly inner: BaseAgent<Identity>;
  private readonly selection: Selection;

  constructor(inner: BaseAgent<Identity>, selection: Selection) {
    super();
    this.inner = inner;
    this.selection = selection;
  }

  override getIdentities(callback: IdentityCallback<Identity>): void {
    const { listed, listedOnly, onShown } = this.selection;
    this.inner.getIdentities((error, keys) => {
      const all = (keys ?? []) as Identity[];
      const rank = (key: Identity) => listed.findIndex((blob) => blob.equals(blobOf(key)));
      const shown = [
        ...all.filter((key) => rank(key) !== -1).sort((a, b) => rank(a) - rank(b)),
        ...(listedOnly ? [] : all.filter((key) => rank(key) === -1)),
      ];
      onShown(shown.map(blobOf));
      callback(error, error ? undefined : shown);
    });
  }

  override sign(
    key: Identity,
    data: Buffer,
    optionsOrCallback?: SigningRequestOptions | SignCallback,
    callback?: SignCallback,
  ): void {
    if (typeof optionsOrCallback === 'function') this.inner.sign(key, data, optionsOrCallback);
    else this.inner.sign(key, data, optionsOrCallback ?? {}, callback);
  }
}

/** null when nobody answers at `path`. */
export async function openAgent(
  path: string,
  files: { readonly listed: readonly string[]; readonly listedOnly: boolean },
  onShown: (blobs: readonly Buffer[]) => void,
): Promise<BaseAgent<Identity> | null> {
  if (!(await answers(path))) return null;
  const blobs = await Promise.all(files.listed.map(publicKeyOf));
  return new SelectedKeysAgent(createAgent(path), {
    listed: blobs.flatMap((blob) => blob ?? []),
    listedOnly: files.listedOnly,
    onShown,
  });
}
