/** What was looked at, kept for the next start: host, selection, range, view. Nothing secret, nothing measured. */
import { z } from 'zod';
import { DOCK_TABS, GROUPINGS, RANGES, VIEWS, useUi } from './ui.ts';
import type { UiState } from './ui.ts';

const STORE_KEY = 'tranche.view';
/** A host's id is made from its address; longer ones are not ours. */
const id = z.string().min(1).max(512);

/** Each part by itself: another version may have written it. */
const schema = z.object({
  hostId: id.nullable().catch(null),
  range: z.enum(RANGES).nullable().catch(null),
  scope: z.enum(['host', 'fleet']).catch('host'),
  view: z.enum(VIEWS).catch('bars'),
  grouping: z.enum(GROUPINGS).catch('host'),
  fleetFilter: z.string().max(200).catch(''),
  dock: z.enum(DOCK_TABS).catch('processes'),
  selection: z
    .union([
      z.object({ kind: z.literal('host') }),
      z.object({ kind: z.literal('gpu'), uuid: id }),
      z.object({ kind: z.literal('slice'), id }),
    ])
    .catch({ kind: 'host' }),
});
export type Remembered = z.infer<typeof schema>;

const NOTHING: Remembered = {
  hostId: null,
  range: null,
  scope: 'host',
  view: 'bars',
  grouping: 'host',
  fleetFilter: '',
  dock: 'processes',
  selection: { kind: 'host' },
};

export function parseRemembered(text: string | null): Remembered {
  if (text === null) return NOTHING;
  try {
    const read = schema.safeParse(JSON.parse(text));
    return read.success ? read.data : NOTHING;
  } catch {
    return NOTHING;
  }
}

const kept = ({
  hostId,
  range,
  scope,
  view,
  grouping,
  fleetFilter,
  dock,
  selection,
}: UiState): Remembered => ({
  hostId,
  range,
  scope,
  view,
  grouping,
  fleetFilter: fleetFilter.slice(0, 200),
  dock,
  selection,
});

/** Restores the view, keeps it until stopped, and returns the host to show first and what was selected on it. */
export function remember(storage: Pick<Storage, 'getItem' | 'setItem'>): {
  readonly hostId: string | null;
  readonly selection: Remembered['selection'];
  readonly stop: () => void;
} {
  const { hostId, selection, range, ...view } = parseRemembered(storage.getItem(STORE_KEY));
  useUi.setState({ ...view, ...(range === null ? {} : { range }) });
  let written = JSON.stringify(kept(useUi.getState()));
  const stop = useUi.subscribe((state) => {
    // Before a host is shown there is nothing to remember, and what was remembered is still needed.
    if (state.hostId === null) return;
    const text = JSON.stringify(kept(state));
    if (text === written) return;
    written = text;
    try {
      storage.setItem(STORE_KEY, text);
    } catch {
      // Storage is full or forbidden: it is remembered for this window only.
    }
  });
  return { hostId, selection, stop };
}
