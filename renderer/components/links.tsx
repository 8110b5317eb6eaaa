/** Names that lead to what they name: a click selects it. */
import type { ReactElement, ReactNode } from 'react';
import type { Gpu } from '../../model/gpu.ts';
import type { HostSnapshot } from '../../model/model.ts';
import type { Slice } from '../../model/slice.ts';
import { select } from '../store/ui.ts';
import { OwnerTag } from './bits.tsx';

export function GpuLink(props: {
  readonly host: HostSnapshot;
  readonly gpu: Gpu;
  readonly children: ReactNode;
}): ReactElement {
  const { host, gpu, children } = props;
  const onClick = (): void => select(host.id, { kind: 'gpu', uuid: gpu.uuid });
  return (
    <button type="button" className="link-plain" onClick={onClick}>
      {children}
    </button>
  );
}

/** With the mark of its owner. */
export function SliceLink(props: {
  readonly host: HostSnapshot;
  readonly slice: Slice;
  readonly title?: string;
}): ReactElement {
  const { host, slice, title } = props;
  const onClick = (): void => select(host.id, { kind: 'slice', id: slice.id });
  return (
    <OwnerTag owner={slice.owner}>
      <button type="button" className="link-plain" title={title} onClick={onClick}>
        {slice.name}
      </button>
    </OwnerTag>
  );
}
