/** The bar of a GPU with its slices, the card around it, and what is said of a slice. */
import { useEffect } from 'react';
import type { ReactElement } from 'react';
import type { HostSnapshot } from '../../model/model.ts';
import { GIB } from '../../model/units.ts';
import { cx } from '../../renderer/components/bits.tsx';
import { gpuView } from '../../renderer/domain/host-figures.ts';
import { GpuCard } from '../../renderer/features/gpus/gpu-card.tsx';
import { SliceBar } from '../../renderer/features/gpus/slice-bar.tsx';
import { SliceFields } from '../../renderer/features/slices/slice-fields.tsx';
import { SliceNotice } from '../../renderer/features/slices/slice-notice.tsx';
import { select } from '../../renderer/store/ui.ts';
import { NOW, SUSPENDED_REASON, ada, agent, crowded, faulty, live } from '../fakes/fake-hosts.ts';
import { LAB, LONG_NAME, LONG_OWNER, met, oneSlice, sampleOf } from './lab.ts';
import type { OneSlice } from './lab.ts';
import type { GallerySection, GalleryState } from './state.ts';

const USED = { memoryUsedBytes: 7 * GIB };
const DENIED = { memoryUsedBytes: 11.5 * GIB, deniedAllocations: 3, deniedBytes: 2 * GIB, deniedAtMs: NOW };
const STALE = {
  connection: { kind: 'stale', agent: agent('read-only'), lastSampleAtMs: NOW - 14_000 },
} as const;
const UNTIL_MS = new Date(2099, 1, 1, 18).getTime();

/** The states of a slice, each on a GPU of its own. */
const SLICES = {
  'in use': oneSlice('in-use', { reading: USED }),
  'not used': oneSlice('not-used', { reading: { memoryUsedBytes: 0 } }),
  'use unknown': oneSlice('use-unknown', { reading: { memoryUsedBytes: null } }),
  full: oneSlice('full', { reading: { memoryUsedBytes: 12 * GIB } }),
  'long name': oneSlice('long-name', { slice: { name: LONG_NAME, owner: LONG_OWNER }, reading: USED }),
  'too narrow for its name': oneSlice('narrow', {
    slice: { name: LONG_NAME, owner: LONG_OWNER, memoryLimitBytes: GIB / 2 },
    reading: { memoryUsedBytes: GIB / 4 },
    beside: [1, 2],
  }),
  'ends some day': oneSlice('until', { slice: { expiresAtMs: UNTIL_MS }, reading: USED }),
  suspended: oneSlice('suspended', { slice: { suspendedReason: SUSPENDED_REASON }, reading: USED }),
  shrinks: oneSlice('shrinks', { slice: { pendingMemoryLimitBytes: 4 * GIB }, reading: USED }),
  denied: oneSlice('denied', {
    reading: DENIED,
  }),
  'above its time limit': oneSlice('loose', { reading: { ...USED, limitHeld: false } }),
  'slowed by its own limit': oneSlice('own-limit', {
    reading: { ...USED, throttledTenths: 600, heldBy: 'own-limit' },
  }),
  'slowed by a guarantee': oneSlice('guarantee', {
    reading: { ...USED, throttledTenths: 400, heldBy: 'guarantee' },
  }),
  'slowed by heat': oneSlice('heat', { reading: { ...USED, heldBy: 'heat' } }),
  'beyond the card': oneSlice('beyond', { reading: USED, beside: [10, 6] }),
  unbacked: oneSlice('unbacked', { slice: { createdAtMs: NOW }, reading: USED, beside: [24] }),
  'read only': oneSlice('read-only', { host: STALE, reading: USED }),
} satisfies Readonly<Record<string, OneSlice>>;

const Bar = ({ of }: { readonly of: OneSlice }): ReactElement => (
  <div className="gpus">
    <SliceBar host={of.host} view={gpuView(of.host, of.gpu, of.sample)} sample={of.sample} />
  </div>
);
const selected = oneSlice('selected', { reading: USED });
function SelectedBar(): ReactElement {
  useEffect(() => select(selected.host.id, { kind: 'slice', id: selected.slice.id }), []);
  return <Bar of={selected} />;
}

export const BARS: GallerySection = {
  name: 'bars',
  title: 'Slices on the bar',
  states: [
    ...Object.entries(SLICES).map(([name, of]): GalleryState => ({ name, draw: () => <Bar of={of} /> })),
    { name: 'selected', draw: () => <SelectedBar /> },
  ],
};

const NOTICED = [
  'suspended',
  'denied',
  'above its time limit',
  'shrinks',
  'slowed by its own limit',
  'slowed by a guarantee',
  'slowed by heat',
] as const;
const refused = oneSlice('denied-refused', { host: STALE, reading: DENIED });
const notice = (name: string, of: OneSlice): GalleryState => ({
  name,
  draw: () => <SliceNotice host={of.host} gpu={of.gpu} slice={of.slice} reading={of.reading} />,
});

export const NOTICES: GallerySection = {
  name: 'notices',
  title: 'What is said of a slice, and its limits',
  states: [
    ...NOTICED.map((name) => notice(name, SLICES[name])),
    notice('denied and refused', refused),
    { name: 'limits', draw: () => <SliceFields {...selected} /> },
    { name: 'limits refused', draw: () => <SliceFields {...refused} /> },
  ],
};

const card = (
  name: string,
  host: HostSnapshot,
  at: number,
  more: { unknown?: true; old?: true } = {},
): GalleryState => {
  const gpu = host.gpus[at];
  if (gpu === undefined) throw new Error(`${host.name} has no GPU ${String(at)}`);
  const sample = more.unknown === true ? null : sampleOf(host);
  return {
    name,
    isWide: true,
    draw: () => (
      <div className={cx('gpus', more.old === true && 'is-old')}>
        <GpuCard host={host} gpu={gpu} sample={sample} />
      </div>
    ),
  };
};
const empty: HostSnapshot = { ...LAB, id: 'ssh:empty', name: 'empty' };
const alien: HostSnapshot = { ...empty, connection: live('empty', { verbs: ['look'] }) };

export const CARDS: GallerySection = {
  name: 'cards',
  title: 'GPU cards',
  states: [
    card('slices', LAB, 2),
    card('nothing cut yet', empty, 1),
    card('nothing cut yet, look only', alien, 1),
    card('nothing measured yet', LAB, 0, { unknown: true }),
    card('no answer any more', { ...LAB, ...STALE }, 0, { old: true }),
    card('suspended slice', faulty(), 0),
    card('cut by MIG', faulty(), 1),
    card('faults', faulty(), 2),
    card('shrinks', ada(), 1),
    card('many slices and a long name', met(crowded()), 0),
    card('beyond the card, with names that mislead', met(crowded()), 1),
  ],
};
