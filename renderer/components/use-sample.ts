/** React's view of what is kept outside React: samples and clocks. */
import { useCallback, useEffect, useState, useSyncExternalStore } from 'react';
import type { Sample } from '../../model/sample.ts';
import type { HostId } from '../../model/model.ts';
import { shownSample, shownTick, subscribe, subscribeHost } from '../store/series.ts';

export function useSample(hostId: HostId | null): Sample | null {
  const listen = useCallback(
    (listener: () => void) => (hostId === null ? () => undefined : subscribeHost(hostId, listener)),
    [hostId],
  );
  return useSyncExternalStore(listen, () => (hostId === null ? null : shownSample(hostId)));
}

/** The time, renewed at a pace; stands still while the window is hidden. */
export function useNow(everyMs = 1000): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => {
      if (document.visibilityState === 'visible') setNow(Date.now());
    }, everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}

/** Counts the ticks at which samples are shown: for screens that read many hosts at once. */
export const useTick = (): number => useSyncExternalStore(subscribe, shownTick);
