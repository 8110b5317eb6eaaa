/** An empty GPU cut at once: halves, quarters, 70 / 30 of what is free. One act, one Undo. */
import type { ReactElement } from 'react';
import type { HostSnapshot } from '../../../model/model.ts';
import { gib } from '../../../model/units.ts';
import { cutRefusal } from '../../domain/host-figures.ts';
import type { GpuView } from '../../domain/host-figures.ts';
import { presetBytes } from '../../domain/slice-edits.ts';
import { createSet } from '../../acts/create-set.ts';

export const SPLITS: readonly (readonly [word: string, shares: readonly number[]])[] = [
  ['Halves', [0.5, 0.5]],
  ['Quarters', [0.25, 0.25, 0.25, 0.25]],
  ['70 / 30', [0.7, 0.3]],
];

export function SplitOffers(props: { readonly host: HostSnapshot; readonly view: GpuView }): ReactElement {
  const { host, view } = props;
  const { gpu, layout } = view;
  const refusal = cutRefusal(host, gpu);
  return (
    <div className="after-strip splits">
      <span className="three">Cut it at once:</span>
      {SPLITS.map(([word, shares]) => {
        const sizes = shares.map((share) => gib(presetBytes(layout.free, share))).join(' + ');
        return (
          <button
            key={word}
            type="button"
            className="text-act"
            aria-disabled={refusal !== null || undefined}
            title={refusal ?? `${sizes} GiB, GPU time alike`}
            onClick={() => refusal === null && void createSet(host, gpu, layout.free, shares)}
          >
            {word}
          </button>
        );
      })}
    </div>
  );
}
