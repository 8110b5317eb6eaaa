/**
 * Samples, outside React. The newest sample of each host, and rings of the few GPUs and slices that are looked at.
 * Arrival and drawing are decoupled: however fast samples come, what shows one host hears of it at most twice a second,
 * and what shows all of them hears once for all, at that pace, too. Each host has its own rhythm: a tick that all hosts
 * share falls anywhere between the samples of most of them, and shows those half a second late.
 */
import type { Sample } from '../../model/sample.ts';
import type { HostId, HistoryPoint } from '../../model/model.ts';
import { Ring } from '../domain/ring.ts';
import type { Vitals } from '../domain/ring.ts';

/** Chart.js costs about 5 ms a chart: two redraws a second is what a lab laptop does not notice. */
export const TICK_MS = 500;
/** Samples that come every TICK_MS come a little early at times: those are shown, not kept for the next time. */
const EARLY_MS = 50;
/** Hosts whose samples come this close together are drawn together. */
const TOGETHER_MS = 100;
/** A host that has shown nothing for so long is drawn along with the others: its time goes on. */
const SILENT_MS = 2 * TICK_MS;
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
const hostListeners = new Map<HostId, Set<() => void>>();
/** Hosts with a sample that is not shown yet. */
const waiting = new Set<HostId>();
const shownAtMs = new Map<HostId, number>();
let limitsOf: (subject: Subject) => Limits | null = () => null;
let paused = false;
let timer: ReturnType<typeof setTimeout> | null = null;
let lastTickMs = 0;
let lastShareMs = 0;
let dropped = 0;
let ticks = 0;
export const shownTick = (): number => ticks;

const keyOf = (s: Subject): string => `${s.hostId}\n${s.kind}\n${s.id}`;

export const setLimitSource = (source: typeof limitsOf): void => {
  limitsOf = source;
};

/** Hears of all hosts at once, at most every TICK_MS. */
export function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
    forget(listener);
  };
}

/** Hears of one host, at most every TICK_MS of its own; while it is silent, along with the others. */
export function subscribeHost(hostId: HostId, listener: () => void): () => void {
  const known = hostListeners.get(hostId) ?? new Set();
  hostListeners.set(hostId, known.add(listener));
  return () => {
    known.delete(listener);
    forget(listener);
    if (known.size === 0 && hostListeners.get(hostId) === known) hostListeners.delete(hostId);
  };
}

/** How listeners are told: at once, unless the window has them drawn in turns. */
let tell = (those: Iterable<() => void>): void => {
  for (const listener of those) listener();
};
let forget = (_listener: () => void): void => undefined;
export const setTelling = (how: { readonly tell: typeof tell; readonly forget: typeof forget }): void => {
  tell = how.tell;
  forget = how.forget;
};

const tellHost = (hostId: HostId): void => tell(hostListeners.get(hostId) ?? []);

function tellAll(): void {
  tell(listeners);
  for (const hostId of hostListeners.keys()) tellHost(hostId);
}

function show(hostId: HostId, nowMs: number): void {
  const sample = incoming.get(hostId);
  waiting.delete(hostId);
  if (sample === undefined) return;
  shown.set(hostId, sample);
  shownAtMs.set(hostId, nowMs);
}

/** ms until the host may be shown again. Bounded on both sides: the clock of the computer may be set back. */
function restMs(hostId: HostId, nowMs: number): number {
  const due = (shownAtMs.get(hostId) ?? 0) + TICK_MS - EARLY_MS;
  return Math.min(TICK_MS, Math.max(0, due - nowMs));
}

function tick(): void {
  timer = null;
  if (paused) return;
  const nowMs = Date.now();
  lastTickMs = nowMs;
  const due = [...waiting].filter((hostId) => restMs(hostId, nowMs) === 0);
  for (const hostId of due) show(hostId, nowMs);
  // Everything is shown before anybody hears of it, so that a sum and its parts are of one moment.
  const share = Math.abs(nowMs - lastShareMs) >= TICK_MS - EARLY_MS;
  for (const hostId of due) tellHost(hostId);
  if (share) {
    lastShareMs = nowMs;
    ticks += 1;
    tell(listeners);
    for (const hostId of hostListeners.keys())
      if (Math.abs(nowMs - (shownAtMs.get(hostId) ?? 0)) >= SILENT_MS) tellHost(hostId);
  }
  scheduleTick();
}

function scheduleTick(): void {
  if (timer !== null || paused || waiting.size === 0) return;
  const nowMs = Date.now();
  const soonest = Math.min(...[...waiting].map((hostId) => restMs(hostId, nowMs)));
  const together = Math.min(TOGETHER_MS, Math.max(0, lastTickMs + TOGETHER_MS - nowMs));
  timer = setTimeout(tick, Math.max(soonest, together));
}

/** Shows what has come, whatever the pace. */
function showNow(): void {
  const nowMs = Date.now();
  if (!paused) for (const hostId of incoming.keys()) show(hostId, nowMs);
  lastShareMs = nowMs;
  ticks += 1;
  tellAll();
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
    waiting.add(hostId);
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
  waiting.add(hostId);
  if (!shown.has(hostId)) shown.set(hostId, sample);
  scheduleTick();
}

export function forgetHost(hostId: HostId): void {
  incoming.delete(hostId);
  waiting.delete(hostId);
  shown.delete(hostId);
  shownAtMs.delete(hostId);
  receivedAtMs.delete(hostId);
  for (const [key, entry] of watched) if (entry.subject.hostId === hostId) watched.delete(key);
}

export function setPaused(value: boolean): void {
  paused = value;
  if (!value) showNow();
}

/** Whoever watches loads its history again; what is shown is drawn anew. */
let renewals = 0;
export const renewal = (): number => renewals;
export function renew(): void {
  renewals += 1;
  showNow();
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
  tellAll();
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
  tellAll();
}
