/** Clock times under a pair of charts; newest at the right. */
import type { ReactElement } from 'react';
import { clock, clockSeconds, stamp } from '../domain/when.ts';
import { hostNowMs } from '../store/series.ts';
import { useUi } from '../store/ui.ts';
import { useZoom } from '../store/zoom.ts';
import { useNow } from './use-sample.ts';

export function TimeAxis(props: { readonly hostId: string; readonly rangeMs: number }): ReactElement {
  useNow(5000);
  const paused = useUi((s) => s.paused);
  const zoom = useZoom((s) => s.window);
  const toMs = zoom?.toMs ?? hostNowMs(props.hostId);
  const rangeMs = zoom === null ? props.rangeMs : zoom.toMs - zoom.fromMs;
  // Days are told apart by their date, moments of one by their seconds.
  const write = rangeMs > 86_400_000 ? stamp : rangeMs <= 300_000 ? clockSeconds : clock;
  const at = (share: number): string => write(toMs - rangeMs * share);
  return (
    <div className="xs" aria-hidden="true">
      <span>{at(1)}</span>
      <span>{at(2 / 3)}</span>
      <span>{at(1 / 3)}</span>
      <span>{paused || zoom !== null ? at(0) : 'now'}</span>
    </div>
  );
}
