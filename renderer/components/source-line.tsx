/** Where the figures of a chart come from and how fine they are: no number without its source. */
import type { ReactElement } from 'react';
import type { Gpu } from '../../model/gpu.ts';
import { duration } from '../../model/units.ts';
import { readerOf } from '../domain/gpu-names.ts';
import type { SubjectKind, Watched } from '../store/series.ts';
import { useNow } from './use-sample.ts';

const SOURCES: Readonly<Record<SubjectKind, (reader: string) => string>> = {
  slice: (reader) =>
    `Memory: the shim’s count and what ${reader} shows beyond it. GPU time: what the shim charged`,
  gpu: (reader) => `Memory and GPU time: ${reader}`,
};

export function SourceLine(props: { readonly watched: Watched; readonly gpu: Gpu }): ReactElement {
  const { watched, gpu } = props;
  useNow(5000);
  const stepMs = watched.zoomed?.stepMs ?? watched.stepMs;
  return (
    <p className="source micro three">
      {SOURCES[watched.subject.kind](readerOf(gpu))}; a point every {duration(stepMs)}.
    </p>
  );
}
