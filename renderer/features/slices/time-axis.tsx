/** Clock times under a pair of charts; newest at the right. */
import type { ReactElement } from 'react';
import { useNow } from '../../components/use-sample.ts';
import { hostNowMs } from '../../store/series.ts';
import { useUi } from '../../store/ui.ts';
import { useZoom } from '../../store/zoom.ts';

export function TimeAxis(props: { readonly hostId: string; readonly rangeMs: number }): ReactElement {
  useNow(5000);
  const paused = useUi((s) => s.paused);
  const zoom = useZoom((s) => s.window);
  const toMs = zoom?.toMs ?? hostNowMs(props.hostId);
  const rangeMs = zoom === null ? props.rangeMs : zoom.toMs - zoom.fromMs;
  // Days are told apart by their date.
  const days = rangeMs > 86_400_000 ? { day: 'numeric' as const, month: 'short' as const } : {};
  const seconds = rangeMs <= 300_000 ? { second: '2-digit' as const } : {};
  const at = (share: number): string =>
    new Date(toMs - rangeMs * share).toLocaleString('en-GB', {
      hour: '2-digit',
      minute: '2-digit',
      hour12: false,
      ...seconds,
      ...days,
    });
  return (
    <div className="xs" aria-hidden="true">
      <span>{at(1)}</span>
      <span>{at(2 / 3)}</span>
      <span>{at(1 / 3)}</span>
      <span>{paused || zoom !== null ? at(0) : 'now'}</span>
    </div>
  );
}
