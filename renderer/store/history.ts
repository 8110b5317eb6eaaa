/** Keeps the points of one GPU or slice while it is looked at, with what the agent remembers put before them. */
import { useEffect, useState, useSyncExternalStore } from 'react';
import { request } from './ask.ts';
import * as series from './series.ts';
import type { Subject, Watched } from './series.ts';
import { loadZoomed, useZoom } from './zoom.ts';

export function useWatched(subject: Subject, rangeMs: number, connected: boolean): Watched {
  const { hostId, kind, id } = subject;
  const renewal = useSyncExternalStore(series.subscribe, series.renewal);
  const [watched, setWatched] = useState(() => series.watch(subject));
  useEffect(() => {
    const entry = series.watch({ hostId, kind, id });
    setWatched(entry);
    if (!connected) return undefined;
    let left = false;
    const load = async (): Promise<void> => {
      const toMs = Math.ceil(series.hostNowMs(hostId));
      const result = await request('history:get', {
        hostId,
        gpuUuid: kind === 'gpu' ? id : null,
        sliceId: kind === 'slice' ? id : null,
        fromMs: Math.max(0, toMs - rangeMs),
        toMs,
        maxPoints: series.historyPoints,
      });
      // Without history the chart shows what comes in from now on, and says so by being empty before it.
      if (!left && result.ok) series.backfill(entry, result.value.points, result.value.tierMs, rangeMs);
    };
    void load();
    // Hidden windows are sampled slowly: fill what was missed.
    const onShown = (): void => {
      if (document.visibilityState === 'visible') void load();
    };
    document.addEventListener('visibilitychange', onShown);
    return () => {
      left = true;
      document.removeEventListener('visibilitychange', onShown);
    };
  }, [hostId, kind, id, rangeMs, connected, renewal]);
  const zoom = useZoom((s) => s.window);
  useEffect(() => {
    if (zoom === null || !connected) {
      series.setZoomed(watched, null);
      return;
    }
    void loadZoomed(watched, zoom);
  }, [watched, zoom, connected]);
  return watched;
}
