/**
 * Deep links: `tranche://host/<name>/gpu/<uuid>/slice/<id>`. They say where to look and nothing else: no verbs, no
 * queries, and a host that is not in the list is never connected to. Whoever wrote the link is a stranger.
 */

export const LINK_SCHEME = 'tranche';
const LINK_MAX = 800;
const PART_MAX = 300;

export interface Place {
  readonly hostName: string;
  readonly gpuUuid: string | null;
  readonly sliceId: string | null;
}

const part = (text: string): string => encodeURIComponent(text);

export function formatLink({ hostName, gpuUuid, sliceId }: Place): string {
  const gpu = gpuUuid === null ? '' : `/gpu/${part(gpuUuid)}`;
  const slice = gpuUuid === null || sliceId === null ? '' : `/slice/${part(sliceId)}`;
  return `${LINK_SCHEME}://host/${part(hostName)}${gpu}${slice}`;
}

function decoded(text: string | undefined): string | null {
  if (text === undefined) return null;
  try {
    const plain = decodeURIComponent(text);
    return plain === '' || plain.length > PART_MAX || /\p{Cc}/u.test(plain) ? null : plain;
  } catch {
    return null;
  }
}

/** null: not a link of ours. Anything that is not exactly one of the three shapes is none. */
export function parseLink(text: string): Place | null {
  if (text.length > LINK_MAX || !text.startsWith(`${LINK_SCHEME}://host/`)) return null;
  if (/[?#]/.test(text)) return null;
  const parts = text.slice(`${LINK_SCHEME}://host/`.length).replace(/\/$/, '').split('/');
  const [name, gpuWord, uuid, sliceWord, id] = parts;
  if (parts.length !== 1 && parts.length !== 3 && parts.length !== 5) return null;
  if ((parts.length > 1 && gpuWord !== 'gpu') || (parts.length > 3 && sliceWord !== 'slice')) return null;
  const hostName = decoded(name);
  const gpuUuid = parts.length > 1 ? decoded(uuid) : null;
  const sliceId = parts.length > 3 ? decoded(id) : null;
  if (hostName === null) return null;
  if ((parts.length > 1 && gpuUuid === null) || (parts.length > 3 && sliceId === null)) return null;
  return { hostName, gpuUuid, sliceId };
}

/** The first link among the words a program was started with. */
export const linkInArgv = (argv: readonly string[]): string | null =>
  argv.find((word) => parseLink(word) !== null) ?? null;
