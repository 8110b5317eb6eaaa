/** What stands in hosts.json, entry by entry: one that cannot be read loses itself and none of the others. Pure. */
import { parseAddress } from '../ssh/address.ts';

/** Hosts of one's own: more than anybody types. */
export const TYPED_MAX = 500;
/** Hidden or open hosts; a config may name thousands. What is beyond is forgotten, oldest first. */
const LIST_MAX = 20_000;
/** As ids are bounded on their way here (model/ipc.ts). */
const ENTRY_MAX = 300;

export interface SavedHosts {
  readonly typed: readonly string[];
  readonly hidden: readonly string[];
  readonly open: readonly string[];
  /** Hosts for which a transport was chosen. */
  readonly transports: Readonly<Record<string, 'built-in' | 'system'>>;
}

export const NO_HOSTS: SavedHosts = { typed: [], hidden: [], open: [], transports: {} };

const isEntry = (value: unknown): value is string =>
  typeof value === 'string' && value !== '' && value.length <= ENTRY_MAX;
const isTyped = (value: unknown): value is string => isEntry(value) && parseAddress(value).ok;

export interface ReadHosts {
  readonly hosts: SavedHosts;
  /** How many entries could not be read. */
  readonly dropped: number;
}

/** null: it is no such file at all, or one of another version. */
export function readHosts(text: string): ReadHosts | null {
  let file: unknown;
  try {
    file = JSON.parse(text.replace(/^\ufeff/, ''));
  } catch {
    return null;
  }
  if (typeof file !== 'object' || file === null || (file as { version?: unknown }).version !== 1) return null;
  const parts = file as Readonly<Record<string, unknown>>;
  let dropped = 0;
  const list = (value: unknown, isGood: (one: unknown) => one is string): readonly string[] => {
    if (value === undefined) return [];
    if (!Array.isArray(value)) {
      dropped += 1;
      return [];
    }
    const good = value.filter(isGood);
    dropped += value.length - good.length;
    return [...new Set(good)];
  };
  const chosen = Object.entries(parts['transports'] ?? {});
  const transports = chosen.filter(
    (one): one is [string, 'built-in' | 'system'] =>
      isEntry(one[0]) && /^(built-in|system)$/.test(String(one[1])),
  );
  dropped += chosen.length - transports.length;
  const hosts = {
    typed: list(parts['typed'], isTyped),
    hidden: list(parts['hidden'], isEntry),
    open: list(parts['open'], isEntry),
    transports: Object.fromEntries(transports),
  };
  return { hosts: bounded(hosts), dropped };
}

function bounded({ typed, hidden, open, transports }: SavedHosts): SavedHosts {
  return {
    typed: typed.slice(0, TYPED_MAX),
    hidden: hidden.slice(-LIST_MAX),
    open: open.slice(-LIST_MAX),
    transports: Object.fromEntries(Object.entries(transports).slice(-LIST_MAX)),
  };
}

/** Nothing is written that `readHosts` would not read back. */
export function writeHosts(hosts: SavedHosts): string {
  const { typed, hidden, open, transports } = bounded(hosts);
  const file = {
    version: 1,
    typed: typed.filter(isTyped),
    hidden: hidden.filter(isEntry),
    open: open.filter(isEntry),
    transports,
  };
  return `${JSON.stringify(file, null, 2)}\n`;
}
