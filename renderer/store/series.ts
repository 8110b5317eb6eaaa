/**
 * Samples, outside React. The newest sample of each host, and rings of the few GPUs and slices that are looked at.
 * Arrival and drawing are decoupled: however fast samples come, listeners hear of them at most every TICK_MS.
 */
import type { HostId, HistoryPoint, Sample } from '../../model/model.ts';
import { Ring } from './ring.ts';
import type { Vitals } from './ring.ts';

/** Chart.js costs about 5 ms a chart: two redraws a second is what a lab laptop does not notice. */
export const TICK_MS = 500;
const RING_POINTS = 4096;
/** As many as a screen of charts shows and a few of the last selections: 200 KB each. */
const WATCHED_MAX = 48;
const POINTS_PER_RANGE = 900;

export type SubjectKind = 'gpu' | 'slice';
export interface Subject {
  readonly hostId: HostId;
  readonly kind: SubjectKind;
  readonly id: string;
}
export interface Limits {
  readonly memoryLimitBytes: number | null;
  readonly computeLimitPercent: number | null;
}
export interface Watched {
  readonly subject: Subject;
  readonly ring: Ring;
  /** Times at which an allocation was denied, with the bytes if known; newest last. */
  denied: { readonly atMs: number; readonly bytes: number | null }[];
  /** The distance between neighbouring points; a gap is a multiple of it. */
  stepMs: number;
  /** Of the part that is zoomed into, as finely as the agent remembers it; null while nothing is. */
  zoomed: {
    readonly fromMs: number;
    readonly toMs: number;
    readonly stepMs: number;
    readonly points: readonly HistoryPoint[];
  } | null;
}

const incoming = new Map<HostId, Sample>();
const shown = new Map<HostId, Sample>();
const receivedAtMs = new Map<HostId, number>();
const watched = new Map<string, Watched>();
const listeners = new Set<() => void>();
let limitsOf: (subject: Subject) => Limits | null = () => null;
let paused = false;
let timer: ReturnType<typeof setTimeout> | null = null;
let lastTickMs = 0;
let dropped = 0;
let ticks = 0;
export const shownTick = (): number => ticks;

const keyOf = (s: Subject): string => `${s.hostId}\n${s.kind}\n${s.id}`;

export const setLimitSource = (source: typeof limitsOf): void => {
  limitsOf = source;
};

export function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function tick(): void {
  timer = null;
  lastTickMs = Date.now();
  ticks += 1;
  if (!paused) for (const [hostId, sample] of incoming) shown.set(hostId, sample);
  for (const listener of listeners) listener();
}

function scheduleTick(): void {
  if (timer !== null || paused) return;
  // Bounded on both sides: the clock of the computer may be set back.
  timer = setTimeout(tick, Math.min(TICK_MS, Math.max(0, TICK_MS - (Date.now() - lastTickMs))));
}

function pointOf(sample: Sample, subject: Subject): (HistoryPoint & Partial<Vitals>) | null {
  const limits = limitsOf(subject);
  const limitFields = {
    memoryLimitBytes: limits?.memoryLimitBytes ?? null,
    computeLimitPercent: limits?.computeLimitPercent ?? null,
  };
  if (subject.kind === 'gpu') {
    const gpu = sample.gpus.find((g) => g.uuid === subject.id);
    if (gpu === undefined) return null;
    const percent = gpu.utilizationPercent;
    return {
      atMs: sample.atMs,
      memoryUsedBytes: gpu.memoryUsedBytes,
      computeTenths: percent === null ? null : percent * 10,
      throttledTenths: null,
      temperatureC: gpu.temperatureC,
      powerMilliwatts: gpu.powerMilliwatts,
      smClockMhz: gpu.smClockMhz,
      ...limitFields,
    };
  }
  const slice = sample.slices.find((s) => s.id === subject.id);
  if (slice === undefined) return null;
  return {
    atMs: sample.atMs,
    memoryUsedBytes: slice.memoryUsedBytes,
    computeTenths: slice.computeUsedTenths,
    throttledTenths: slice.throttledTenths,
    ...limitFields,
  };
}

function record(entry: Watched, sample: Sample): void {
  const point = pointOf(sample, entry.subject);
  if (point === null) return;
  const last = entry.ring.lastAtMs();
  // Long ranges are drawn coarsely: what falls between two of their points is left to the agent's history.
  if (last !== null && sample.atMs - last < entry.stepMs * 0.8 && entry.stepMs > 1000) return;
  if (last !== null && sample.atMs <= last) return;
  entry.ring.push(point);
  const slice = sample.slices.find((s) => s.id === entry.subject.id);
  if (slice?.deniedAtMs != null && entry.denied.at(-1)?.atMs !== slice.deniedAtMs) {
    entry.denied = [...entry.denied.slice(-63), { atMs: slice.deniedAtMs, bytes: slice.deniedBytes }];
  }
}

/** One batch of samples, all hosts of one tick. */
export function pushSamples(
  batch: readonly { readonly hostId: HostId; readonly sample: Sample }[],
  nowMs = Date.now(),
): void {
  for (const { hostId, sample } of batch) {
    const before = incoming.get(hostId);
    if (before !== undefined && sample.seq > before.seq + 1) dropped += sample.seq - before.seq - 1;
    incoming.set(hostId, sample);
    receivedAtMs.set(hostId, nowMs);
    for (const entry of watched.values()) {
      if (entry.subject.hostId === hostId) record(entry, sample);
    }
  }
  scheduleTick();
}

/** The sample a snapshot brings along, unless a newer one is here already. */
export function seedSample(hostId: HostId, sample: Sample | null): void {
  if (sample === null || (incoming.get(hostId)?.atMs ?? 0) >= sample.atMs) return;
  incoming.set(hostId, sample);
  if (!shown.has(hostId)) shown.set(hostId, sample);
  scheduleTick();
}

export function forgetHost(hostId: HostId): void {
  incoming.delete(hostId);
  shown.delete(hostId);
  receivedAtMs.delete(hostId);
  for (const [key, entry] of watched) if (entry.subject.hostId === hostId) watched.delete(key);
}

export function setPaused(value: boolean): void {
  paused = value;
  if (!value) tick();
}

/** Whoever watches loads its history again; what is shown is drawn anew. */
let renewals = 0;
export const renewal = (): number => renewals;
export function renew(): void {
  renewals += 1;
  tick();
}

export const shownSample = (hostId: HostId): Sample | null => shown.get(hostId) ?? null;
export const droppedSamples = (): number => dropped;
export const sampleReceivedAtMs = (hostId: HostId): number | null => receivedAtMs.get(hostId) ?? null;

/** "Now" on the host's own clock, which need not agree with ours. */
export function hostNowMs(hostId: HostId): number {
  const sample = paused ? shown.get(hostId) : incoming.get(hostId);
  const received = receivedAtMs.get(hostId);
  if (sample === undefined) return Date.now();
  if (paused || received === undefined) return sample.atMs;
  return sample.atMs + (Date.now() - received);
}

/** Starts (or continues) keeping points of one GPU or slice. */
export function watch(subject: Subject): Watched {
  const key = keyOf(subject);
  const known = watched.get(key);
  if (known !== undefined) {
    watched.delete(key);
    watched.set(key, known);
    return known;
  }
  const entry: Watched = { subject, ring: new Ring(RING_POINTS), denied: [], stepMs: 1000, zoomed: null };
  watched.set(key, entry);
  for (const oldest of watched.keys()) {
    if (watched.size <= WATCHED_MAX) break;
    watched.delete(oldest);
  }
  const sample = incoming.get(subject.hostId);
  if (sample !== undefined) record(entry, sample);
  return entry;
}

export const historyPoints = POINTS_PER_RANGE;

/** What the agent remembers of a part, drawn instead of the coarse points. */
export function setZoomed(entry: Watched, zoomed: Watched['zoomed']): void {
  entry.zoomed = zoomed;
  for (const listener of listeners) listener();
}

/** Puts what the agent remembers before what we saw ourselves. */
export function backfill(
  entry: Watched,
  points: readonly HistoryPoint[],
  tierMs: number,
  rangeMs: number,
): void {
  const lastOld = points.at(-1)?.atMs ?? 0;
  const live = entry.ring.points().filter((point) => point.atMs > lastOld);
  entry.ring.clear();
  entry.stepMs = Math.max(tierMs, Math.ceil(rangeMs / POINTS_PER_RANGE), 1000);
  for (const point of points) entry.ring.push(point);
  for (const point of live) entry.ring.push(point);
  for (const listener of listeners) listener();
}
