/** An empty GPU offers itself: presets drawn to scale in the memory they would take; one click creates for you. */
import type { ReactElement } from 'react';
import type { HostSnapshot } from '../../../model/model.ts';
import { GIB, gibWithUnit } from '../../../model/units.ts';
import { cutRefusal } from '../../domain/host-figures.ts';
import type { GpuView } from '../../domain/host-figures.ts';
import { presetBytes } from '../../domain/slice-edits.ts';
import { openDialog } from '../../store/ui.ts';
import { vars } from '../../components/bits.tsx';
import { createPreset } from '../../acts/slices.ts';

export function EmptyOffers(props: { readonly host: HostSnapshot; readonly view: GpuView }): ReactElement {
  const { host, view } = props;
  const { gpu, layout } = view;
  const refusal = cutRefusal(host, gpu);
  const quarter = presetBytes(gpu.capacityBytes, 0.25);
  const half = presetBytes(gpu.capacityBytes, 0.5);
  const showsHalf = layout.free - quarter - half >= gpu.capacityBytes * 0.12;
  const showsQuarter = layout.free - quarter >= gpu.capacityBytes * 0.12;
  const halfAt = layout.unmanagedBytes + quarter;
  const customAt = layout.unmanagedBytes + (showsQuarter ? quarter : 0) + (showsHalf ? half : 0);
  const offer = (
    word: string,
    detail: ReactElement | string,
    at: number,
    size: number,
    onPick: () => void,
  ): ReactElement => (
    <button
      key={word}
      type="button"
      className="offer"
      style={vars({ '--at': at / GIB, '--gib': size / GIB })}
      aria-disabled={refusal !== null || undefined}
      title={refusal ?? undefined}
      onClick={() => {
        if (refusal === null) onPick();
      }}
    >
      <b>{word}</b>
      <span>{detail}</span>
    </button>
  );
  const figures = (bytes: number, percent: number): ReactElement => (
    <>
      {gibWithUnit(bytes)}
      <span className="offer-share">, {percent} % of time</span>
    </>
  );
  return (
    <>
      {showsQuarter &&
        offer(
          'Quarter',
          figures(quarter, 25),
          layout.unmanagedBytes,
          quarter,
          () => void createPreset(host, gpu, quarter, 25),
        )}
      {showsHalf &&
        offer('Half', figures(half, 50), halfAt, half, () => void createPreset(host, gpu, half, 50))}
      {offer('Custom…', 'size, share', customAt, gpu.capacityBytes - customAt, () =>
        openDialog({ kind: 'create', hostId: host.id, gpuUuid: gpu.uuid }),
      )}
    </>
  );
}
