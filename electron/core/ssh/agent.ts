/** The user's ssh-agent, offered only when somebody answers there; under IdentitiesOnly only the keys that are listed. */
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import {
  BaseAgent,
  createAgent,
  utils,
  type IdentityCallback,
  type ParsedKey,
  type SignCallback,
  type SigningRequestOptions,
} from 'ssh2';

/** A live agent accepts at once; a socket file left behind refuses at once. */
const AGENT_TIMEOUT_MS = 1_000;

function answers(path: string): Promise<boolean> {
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

/** Public halves of key files: `file.pub` as ssh-keygen leaves it beside each key. */
async function publicKeys(files: readonly string[]): Promise<readonly Buffer[]> {
  const blobs: Buffer[] = [];
  for (const file of files) {
    const text = await readFile(`${file}.pub`).catch(() => null);
    const parsed = text === null ? null : utils.parseKey(text);
    if (parsed === null || parsed instanceof Error) continue;
    blobs.push((Array.isArray(parsed) ? (parsed[0] as ParsedKey) : parsed).getPublicSSH());
  }
  return blobs;
}

type Identity = ParsedKey | Buffer | string;

/** Shows only some of an agent's keys, so that a server's limit on tries is not spent on the others. */
class ChosenKeysAgent extends BaseAgent<Identity> {
  private readonly inner: BaseAgent<Identity>;
  private readonly chosen: readonly Buffer[];

  constructor(inner: BaseAgent<Identity>, chosen: readonly Buffer[]) {
    super();
    this.inner = inner;
    this.chosen = chosen;
  }

  override getIdentities(callback: IdentityCallback<Identity>): void {
    this.inner.getIdentities((error, keys) => {
      const blobOf = (key: Identity) =>
        typeof key === 'object' && 'getPublicSSH' in key ? key.getPublicSSH() : Buffer.from(key);
      const shown = keys?.filter((key) => this.chosen.some((blob) => blob.equals(blobOf(key as Identity))));
      callback(error, shown);
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

/** null when nobody answers at `path`. `only`: key files whose keys may be offered, or null for all. */
export async function openAgent(
  path: string,
  only: readonly string[] | null,
): Promise<BaseAgent<Identity> | null> {
  if (!(await answers(path))) return null;
  const agent = createAgent(path) as BaseAgent<Identity>;
  return only === null ? agent : new ChosenKeysAgent(agent, await publicKeys(only));
}
