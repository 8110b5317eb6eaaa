/** "Where do 20 GiB fit?": every GPU that this person may cut, best place first. Pure. */
import type { Gpu } from '../../../model/gpu.ts';
import type { Sample } from '../../../model/sample.ts';
import type { HostSnapshot } from '../../../model/model.ts';
import { parseBytes } from '../../../model/units.ts';
import { cutRefusal, gpuView } from '../../domain/host-figures.ts';

/** A size as typed: bytes, or a share of each GPU. */
export type Wanted =
  { readonly kind: 'bytes'; readonly bytes: number } | { readonly kind: 'share'; readonly percent: number };

export interface Room {
  readonly host: HostSnapshot;
  readonly gpu: Gpu;
  readonly wantedBytes: number;
  readonly freeBytes: number;
  /** Share of GPU time that is busy now; null: unknown. */
  readonly busyPercent: number | null;
  /** Why a slice cannot be made there by this person; null when it can. */
  readonly refusal: string | null;
}

/** Below this a GPU counts as idle. */
const IDLE_PERCENT = 5;
/** Two leftovers within an eighth of the card are equally tight: then the idle one wins. */
const TIGHT_STEPS = 8;
const LEAST_BYTES = 1024 ** 2;

/** Only what has a unit is a size: a bare number is more likely part of a name. */
export function parseWanted(text: string): Wanted | null {
  const share = /^\s*(\d{1,3})\s*%\s*$/.exec(text);
  if (share !== null) {
    const percent = Number(share[1]);
    return percent >= 1 && percent <= 100 ? { kind: 'share', percent } : null;
  }
  if (!/^\s*\d+(\.\d+)?\s*[gmt](i?b)?\s*$/i.test(text)) return null;
  // "GB" is what people type who mean GiB here; the answer says which it is.
  const parsed = parseBytes(text.replace(/([gmt])b\s*$/i, '$1ib'), 'g');
  return parsed.ok && parsed.value >= LEAST_BYTES ? { kind: 'bytes', bytes: parsed.value } : null;
}

const wantedOn = (wanted: Wanted, gpu: Gpu): number =>
  wanted.kind === 'bytes'
    ? wanted.bytes
    : Math.floor((gpu.capacityBytes * wanted.percent) / 100 / LEAST_BYTES) * LEAST_BYTES;

export interface Found {
  /** Best first. */
  readonly rooms: readonly Room[];
  /** The largest free place, for when nothing fits. */
  readonly largest: Room | null;
}

/** By fit (what would be left over, tight first), then idle before busy, then model and place. */
export function findRoom(
  wanted: Wanted,
  hosts: readonly HostSnapshot[],
  sampleOf: (hostId: string) => Sample | null,
): Found {
  const all = hosts
    .filter((host) => host.connection.kind === 'live')
    .flatMap((host) =>
      host.gpus.map((gpu): Room => {
        const { layout, sample } = gpuView(host, gpu, sampleOf(host.id));
        return {
          host,
          gpu,
          wantedBytes: wantedOn(wanted, gpu),
          freeBytes: layout.free,
          busyPercent: sample?.utilizationPercent ?? null,
          refusal: cutRefusal(host, gpu),
        };
      }),
    );
  const tight = (room: Room): number =>
    Math.floor(((room.freeBytes - room.wantedBytes) / room.gpu.capacityBytes) * TIGHT_STEPS);
  const idle = (room: Room): number => ((room.busyPercent ?? 100) < IDLE_PERCENT ? 0 : 1);
  const rooms = all
    .filter((room) => room.freeBytes >= room.wantedBytes)
    .sort(
      (a, b) =>
        Number(a.refusal !== null) - Number(b.refusal !== null) ||
        tight(a) - tight(b) ||
        idle(a) - idle(b) ||
        a.gpu.name.localeCompare(b.gpu.name) ||
        a.host.name.localeCompare(b.host.name) ||
        a.gpu.index - b.gpu.index,
    );
  const largest = all.reduce<Room | null>(
    (best, room) => (best === null || room.freeBytes > best.freeBytes ? room : best),
    null,
  );
  return { rooms, largest };
}
