/** Clock times under a pair of charts; newest at the right. */
import type { ReactElement } from 'react';
import { useNow } from '../../components/use-sample.ts';
import { hostNowMs } from '../../store/series.ts';
import { useUi } from '../../store/ui.ts';

export function TimeAxis(props: { readonly hostId: string; readonly rangeMs: number }): ReactElement {
  useNow(5000);
  const paused = useUi((s) => s.paused);
  const toMs = hostNowMs(props.hostId);
  const seconds = props.rangeMs <= 300_000 ? { second: '2-digit' as const } : {};
  const at = (share: number): string =>
    new Date(toMs - props.rangeMs * share).toLocaleTimeString([], {
      hour: '2-digit',
      minute: '2-digit',
      hour12: false,
      ...seconds,
    });
  return (
    <div className="xs" aria-hidden="true">
      <span>{at(1)}</span>
      <span>{at(2 / 3)}</span>
      <span>{at(1 / 3)}</span>
      <span>{paused ? at(0) : 'now'}</span>
    </div>
  );
}
