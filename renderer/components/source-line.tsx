/** Where the figures of a chart come from and how fine they are: no number without its source. */
import type { ReactElement } from 'react';
import { duration } from '../../model/units.ts';
import type { SubjectKind, Watched } from '../store/series.ts';
import { useNow } from './use-sample.ts';

const SOURCES: Readonly<Record<SubjectKind, string>> = {
  slice: 'Memory: the shim’s count and what NVML shows beyond it. GPU time: what the shim charged',
  gpu: 'Memory and GPU time: NVML',
};

export function SourceLine({ watched }: { readonly watched: Watched }): ReactElement {
  useNow(5000);
  const stepMs = watched.zoomed?.stepMs ?? watched.stepMs;
  return (
    <p className="source micro three">
      {SOURCES[watched.subject.kind]}; a point every {duration(stepMs)}.
    </p>
  );
}
