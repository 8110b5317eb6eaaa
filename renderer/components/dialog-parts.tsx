/** What the dialogs of a feature are made of: a map from kind to what draws it, and what a host or a slice is for it. */
import type { ReactElement } from 'react';
import type { Sample } from '../../model/sample.ts';
import type { Slice } from '../../model/slice.ts';
import type { HostId, HostSnapshot, SliceId } from '../../model/model.ts';
import type { DialogArgs, DialogKind } from '../store/dialogs.ts';
import { useHost } from '../store/fleet.ts';
import { useSample } from './use-sample.ts';

export type DrawDialog<K extends DialogKind> = (args: DialogArgs[K]) => ReactElement | null;
/** Of one feature; shell/dialogs.tsx misses none. */
export type DialogParts = { readonly [K in DialogKind]?: DrawDialog<K> };

interface AtHost {
  readonly host: HostSnapshot;
  readonly sample: Sample | null;
}
interface AtSlice extends AtHost {
  readonly slice: Slice;
}

/** A dialog about a host, as the host is now: it goes with it. */
export function OfHost(props: {
  readonly of: { readonly hostId: HostId };
  readonly show: (at: AtHost) => ReactElement | null;
}): ReactElement | null {
  const host = useHost(props.of.hostId);
  const sample = useSample(host?.id ?? null);
  return host === null ? null : props.show({ host, sample });
}

/** The same about one of its slices. */
export function OfSlice(props: {
  readonly of: { readonly hostId: HostId; readonly sliceId: SliceId };
  readonly show: (at: AtSlice) => ReactElement | null;
}): ReactElement | null {
  const { of, show } = props;
  return (
    <OfHost
      of={of}
      show={(at) => {
        const slice = at.host.slices.find(({ id }) => id === of.sliceId);
        return slice === undefined ? null : show({ ...at, slice });
      }}
    />
  );
}
