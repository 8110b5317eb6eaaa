/** The idle clock in words: said once a slice has had no GPU time for as long as the settings say. */
import type { HostId, Slice } from '../../../model/model.ts';
import { duration } from '../../../model/units.ts';
import { idleSince } from '../../store/idle.ts';
import type { Idle } from '../../store/idle.ts';
import { hostNowMs } from '../../store/series.ts';
import { useSettings } from '../../store/settings.ts';

const MINUTE_MS = 60_000;

/** null: busy, unknown, or not idle for long enough to be worth a word. */
export function idleLong(idle: Idle | null, nowMs: number, minutes: number): string | null {
  if (idle === null || nowMs - idle.sinceMs < minutes * MINUTE_MS) return null;
  return `${idle.atLeast ? 'at least ' : ''}${duration(nowMs - idle.sinceMs)}`;
}

export const idleText = (hostId: HostId, slice: Pick<Slice, 'id'>): string | null =>
  idleLong(idleSince(hostId, slice.id), hostNowMs(hostId), useSettings.getState().idleMinutes);
