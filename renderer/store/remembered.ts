/** What was looked at, kept for the next start: the host and the range of the charts. Nothing secret, nothing measured. */
import { RANGES, useUi } from './ui.ts';
import type { Range } from './ui.ts';

export interface Remembered {
  readonly hostId: string | null;
  readonly range: Range | null;
}

const STORE_KEY = 'tranche.view';
const NOTHING: Remembered = { hostId: null, range: null };
/** A host's id is made from its address; longer ones are not ours. */
const HOST_ID_MAX = 512;

/** Whatever of the text is well formed: another version may have written it. */
export function parseRemembered(text: string | null): Remembered {
  if (text === null) return NOTHING;
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch {
    return NOTHING;
  }
  if (typeof read !== 'object' || read === null) return NOTHING;
  const { hostId, range } = read as Record<string, unknown>;
  return {
    hostId: typeof hostId === 'string' && hostId !== '' && hostId.length <= HOST_ID_MAX ? hostId : null,
    range: RANGES.find((name) => name === range) ?? null,
  };
}

/** Restores the range, keeps both until stopped, and returns the host to show first. */
export function remember(storage: Pick<Storage, 'getItem' | 'setItem'>): {
  readonly hostId: string | null;
  readonly stop: () => void;
} {
  const before = parseRemembered(storage.getItem(STORE_KEY));
  if (before.range !== null) useUi.setState({ range: before.range });
  let { hostId } = before;
  let range = before.range;
  const stop = useUi.subscribe((state) => {
    if (state.hostId === null || (state.hostId === hostId && state.range === range)) return;
    ({ hostId, range } = state);
    try {
      storage.setItem(STORE_KEY, JSON.stringify({ hostId, range }));
    } catch {
      // Storage is full or forbidden: it is remembered for this window only.
    }
  });
  return { hostId: before.hostId, stop };
}
