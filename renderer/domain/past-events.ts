/** What happened before this window was opened, and what others did since, from what the agent has kept. Pure. */
import type { AuditRecord } from '../../model/people.ts';
import type { Sample } from '../../model/sample.ts';
import type { HostSnapshot } from '../../model/model.ts';
import { gibWithUnit } from '../../model/units.ts';
import { gpuNameOn, isEscape, recordText, recordTone } from './audit-text.ts';

export interface PastEvent {
  readonly key: string;
  readonly atMs: number;
  readonly tone: 'plain' | 'warn' | 'bad';
  readonly text: string;
}

export interface Asked {
  /** null: of the whole host. */
  readonly sliceId: string | null;
  /** From here on this window has seen notices and its own edits for itself. */
  readonly openedAtMs: number;
  /** Who looks: their edits since then are in the window's own list. */
  readonly yourName: string | null;
}

function denials(host: HostSnapshot, sample: Sample | null, asked: Asked): readonly PastEvent[] {
  return (sample?.slices ?? []).flatMap(({ id, deniedAtMs, deniedBytes }): PastEvent[] => {
    const slice = host.slices.find((one) => one.id === id);
    if (slice === undefined || deniedAtMs === null || deniedAtMs >= asked.openedAtMs) return [];
    if (asked.sliceId !== null && asked.sliceId !== id) return [];
    const what = deniedBytes === null ? 'memory' : gibWithUnit(deniedBytes);
    return [{ key: `denied ${id}`, atMs: deniedAtMs, tone: 'bad', text: `${slice.name} was denied ${what}` }];
  });
}

function faults(host: HostSnapshot, asked: Asked): readonly PastEvent[] {
  if (asked.sliceId !== null) return [];
  return host.gpus.flatMap((gpu) =>
    (gpu.faults ?? [])
      .filter((fault) => fault.atMs < asked.openedAtMs)
      .map((fault): PastEvent => {
        const times = fault.count > 1 ? ` (${String(fault.count)} times)` : '';
        return {
          key: `fault ${gpu.uuid} ${fault.source} ${String(fault.code)} ${String(fault.firstAtMs)}`,
          atMs: fault.atMs,
          tone: 'bad',
          text: `GPU ${String(gpu.index)}, ${fault.source} ${String(fault.code)}: ${fault.text}${times}`,
        };
      }),
  );
}

/** In no order. */
export function pastEvents(
  host: HostSnapshot,
  records: readonly AuditRecord[],
  sample: Sample | null,
  asked: Asked,
): readonly PastEvent[] {
  const gpuName = gpuNameOn(host);
  const kept = records
    .filter(
      (record) =>
        record.atMs < asked.openedAtMs ||
        (record.user !== asked.yourName && !isEscape(record)) ||
        record.action === 'job-end',
    )
    .map((record) => ({
      key: `audit ${String(record.seq)}`,
      atMs: record.atMs,
      tone: recordTone(record),
      text: recordText(record, gpuName),
    }));
  return [...kept, ...faults(host, asked), ...denials(host, sample, asked)];
}
