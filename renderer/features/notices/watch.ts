/** What is worth a notice outside the window. Decides from what the core tells; shows nothing itself. */
import { isFaultNotice } from '../../../model/backends.ts';
import type { CoreEvents } from '../../../model/ipc.ts';
import { formatLink } from '../../../model/links.ts';
import type { Sample } from '../../../model/sample.ts';
import type { HostId, HostSnapshot, SliceId } from '../../../model/model.ts';
import { duration, gibWithUnit } from '../../../model/units.ts';
import { detailText, isOver, stateText } from '../../domain/job-text.ts';
import { soonTime } from '../../domain/when.ts';
import type { Notice } from '../../acts/show-notice.ts';

/** A GPU counts as free when nobody has been on it for this long: a restart of a script is no news. */
export const FREE_AFTER_MS = 15_000;
/** The same news of the same thing comes once in this time. */
export const REPEAT_MS = 600_000;

const MINUTE_MS = 60_000;

/** Where the settings draw the line. */
export interface Limits {
  readonly hotCelsius: number;
  readonly idleMinutes: number;
  readonly idleSinceMs: (hostId: HostId, sliceId: SliceId) => number | null;
}

type HostOf = (hostId: HostId) => HostSnapshot | null;

const yours = (host: HostSnapshot): { name: string; uid: number } | null =>
  host.connection.kind === 'live' || host.connection.kind === 'stale'
    ? { name: host.connection.agent.yourName, uid: host.connection.agent.yourUid }
    : null;

const VERBS: Readonly<Record<string, string>> = {
  'slice-resize': 'changed',
  'slice-assign': 'gave away',
  'slice-move': 'moved',
  'slice-rename': 'renamed',
  'slice-delete': 'deleted',
  undo: 'took back an edit of',
};

export class NoticeWatch {
  readonly #hostOf: HostOf;
  /** When a GPU was last seen with somebody on it; gone once its freedom was told. */
  readonly #busyAtMs = new Map<string, number>();
  readonly #toldAtMs = new Map<string, number>();
  readonly #liveJobs = new Map<HostId, ReadonlySet<string>>();

  constructor(hostOf: HostOf) {
    this.#hostOf = hostOf;
  }

  /** Called before the new snapshot is kept: `hostOf` still knows the one before. */
  host(now: HostSnapshot, nowMs: number): Notice | null {
    const before = this.#hostOf(now.id);
    if (before?.connection.kind !== 'live') return null;
    const { connection } = now;
    if (connection.kind !== 'reconnecting' && connection.kind !== 'blocked' && connection.kind !== 'failed') {
      return null;
    }
    return this.#once(`lost ${now.id}`, nowMs, {
      kind: 'hostLost',
      title: connection.kind === 'blocked' ? `${now.name}: host key changed` : `${now.name} is lost`,
      body: connection.failure.message,
      link: formatLink({ hostName: now.name, gpuUuid: null, sliceId: null }),
    });
  }

  /** Jobs of yours that were not over when the host was last seen, and are now: also what ended while it was away. */
  jobs(now: HostSnapshot): readonly Notice[] {
    const you = yours(now);
    // On a host that reconnects nobody knows yet who you are there: what it says is looked at when it is live.
    if (you === null || now.jobs === null) return [];
    const live = this.#liveJobs.get(now.id);
    this.#liveJobs.set(now.id, new Set(now.jobs.jobs.filter((job) => !isOver(job)).map((job) => job.id)));
    if (live === undefined) return [];
    return now.jobs.jobs.flatMap((job): Notice[] => {
      // One that you cancelled yourself is no news.
      const own = job.state === 'cancelled' && job.byUser === you.name;
      if (job.uid !== you.uid || !isOver(job) || !live.has(job.id) || own) return [];
      const slice = now.slices.find((one) => one.id === job.sliceId);
      const detail = detailText(job, soonTime);
      const ran =
        job.startedAtMs === null || job.endedAtMs === null
          ? ''
          : ` after ${duration(job.endedAtMs - job.startedAtMs)}`;
      return [
        {
          kind: 'jobEnded',
          title: `${job.name}: ${stateText(job)}`,
          body: `On ${now.name}, in ${slice?.name ?? 'a deleted slice'}${ran}.${detail === '' ? '' : ` ${detail}`}`,
          link: formatLink({
            hostName: now.name,
            gpuUuid: slice?.gpuUuid ?? null,
            sliceId: slice?.id ?? null,
          }),
        },
      ];
    });
  }

  samples(
    batch: readonly { readonly hostId: HostId; readonly sample: Sample }[],
    limits: Limits,
    nowMs: number,
  ): readonly Notice[] {
    return batch.flatMap(({ hostId, sample }) => [
      ...this.#freed(hostId, sample),
      ...this.#hot(hostId, sample, limits, nowMs),
      ...this.#idle(hostId, sample, limits, nowMs),
    ]);
  }

  #hot(hostId: HostId, sample: Sample, { hotCelsius }: Limits, nowMs: number): readonly Notice[] {
    const host = this.#hostOf(hostId);
    return sample.gpus.flatMap(({ uuid, temperatureC }): Notice[] => {
      const gpu = host?.gpus.find((one) => one.uuid === uuid);
      if (host === null || gpu === undefined || temperatureC === null || temperatureC < hotCelsius) return [];
      const notice = this.#once(`hot ${hostId} ${uuid}`, nowMs, {
        kind: 'hot',
        title: `GPU ${String(gpu.index)} of ${host.name} is hot`,
        body: `${String(temperatureC)} °C, ${gpu.name}. It slows itself down before it is harmed.`,
        link: formatLink({ hostName: host.name, gpuUuid: uuid, sliceId: null }),
      });
      return notice === null ? [] : [notice];
    });
  }

  /** Once per spell of idleness: a slice that works again may be told of again. */
  #idle(hostId: HostId, sample: Sample, limits: Limits, nowMs: number): readonly Notice[] {
    const host = this.#hostOf(hostId);
    const you = host === null ? null : yours(host);
    if (host === null || you === null) return [];
    return host.slices.flatMap((slice): Notice[] => {
      if (slice.owner !== you.name) return [];
      const key = `idle ${hostId} ${slice.id}`;
      const sinceMs = limits.idleSinceMs(hostId, slice.id);
      if (sinceMs === null) this.#toldAtMs.delete(key);
      if (sinceMs === null || sample.atMs - sinceMs < limits.idleMinutes * MINUTE_MS) return [];
      if (this.#toldAtMs.has(key)) return [];
      this.#toldAtMs.set(key, nowMs);
      return [
        {
          kind: 'idle',
          title: `${slice.name} is held but idle`,
          body: `${gibWithUnit(slice.memoryLimitBytes)} on ${host.name}, no GPU time for ${duration(sample.atMs - sinceMs)}.`,
          link: formatLink({ hostName: host.name, gpuUuid: slice.gpuUuid, sliceId: slice.id }),
        },
      ];
    });
  }

  /** Clocks of host and desktop need not agree: only the host's own is used here. */
  #freed(hostId: HostId, sample: Sample): readonly Notice[] {
    const host = this.#hostOf(hostId);
    if (host === null) return [];
    return host.gpus.flatMap((gpu): Notice[] => {
      const key = `${hostId} ${gpu.uuid}`;
      const used = sample.processes.some((process) => process.gpuUuid === gpu.uuid);
      if (used) {
        this.#busyAtMs.set(key, sample.atMs);
        return [];
      }
      const busyAtMs = this.#busyAtMs.get(key);
      if (busyAtMs === undefined || sample.atMs - busyAtMs < FREE_AFTER_MS) return [];
      this.#busyAtMs.delete(key);
      return [
        {
          kind: 'gpuFree',
          title: `GPU ${String(gpu.index)} of ${host.name} is free`,
          body: `${gpu.name}: no process uses it any more.`,
          link: formatLink({ hostName: host.name, gpuUuid: gpu.uuid, sliceId: null }),
        },
      ];
    });
  }

  denied({ hostId, sliceId, code, message }: CoreEvents['notice'], nowMs: number): Notice | null {
    const host = this.#hostOf(hostId);
    const slice = host?.slices.find((s) => s.id === sliceId);
    if (code !== 'denied' || host === null || slice === undefined) return null;
    if (slice.owner !== yours(host)?.name) return null;
    return this.#once(`denied ${hostId} ${slice.id}`, nowMs, {
      kind: 'denied',
      title: `${slice.name} was denied memory`,
      body: message,
      link: formatLink({ hostName: host.name, gpuUuid: slice.gpuUuid, sliceId: slice.id }),
    });
  }

  /** The same error of the same GPU, and each other one, once in a while. */
  fault({ hostId, gpuUuid, code, message }: CoreEvents['notice'], nowMs: number): Notice | null {
    const host = this.#hostOf(hostId);
    const gpu = host?.gpus.find((one) => one.uuid === gpuUuid);
    if (!isFaultNotice(code) || host === null || gpu === undefined) return null;
    return this.#once(`fault ${hostId} ${gpu.uuid} ${message}`, nowMs, {
      kind: 'fault',
      title: `GPU ${String(gpu.index)} of ${host.name} reported an error`,
      body: message,
      link: formatLink({ hostName: host.name, gpuUuid: gpu.uuid, sliceId: null }),
    });
  }

  audit({ hostId, record }: CoreEvents['audit']): Notice | null {
    const host = this.#hostOf(hostId);
    const you = host === null ? null : yours(host);
    const { before, after } = record;
    if (host === null || you === null || record.refusal !== null || record.uid === you.uid) return null;
    const given = before?.owner !== you.name && after?.owner === you.name;
    if (before?.owner !== you.name && !given) return null;
    const name = record.sliceName ?? 'a slice';
    const size =
      before !== null && after !== null && before.memoryLimitBytes !== after.memoryLimitBytes
        ? ` Its limit was ${gibWithUnit(before.memoryLimitBytes)} and is ${gibWithUnit(after.memoryLimitBytes)}.`
        : '';
    return {
      kind: 'sliceChanged',
      title: given
        ? `${record.user} gave you ${name}`
        : `${record.user} ${VERBS[record.action] ?? 'changed'} your slice ${name}`,
      body: `On ${host.name}.${size}`,
      link: formatLink({ hostName: host.name, gpuUuid: record.gpuUuid, sliceId: record.sliceId }),
    };
  }

  #once(key: string, nowMs: number, notice: Notice): Notice | null {
    const told = this.#toldAtMs.get(key);
    if (told !== undefined && nowMs - told < REPEAT_MS) return null;
    this.#toldAtMs.set(key, nowMs);
    return notice;
  }
}
