/** The idle clock in words: said once a slice has had no GPU time for as long as the settings say. */
import type { Slice } from '../../model/slice.ts';
import type { HostId } from '../../model/model.ts';
import { idleLong } from '../domain/idle-text.ts';
import { idleSince } from './idle.ts';
import { hostNowMs } from './series.ts';
import { useSettings } from './settings.ts';

export const idleText = (hostId: HostId, slice: Pick<Slice, 'id'>): string | null =>
  idleLong(idleSince(hostId, slice.id), hostNowMs(hostId), useSettings.getState().idleMinutes);
