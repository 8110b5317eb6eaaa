/** What this window shows: selection, range, dialogs, toasts. Nothing here is a fact about a host. */
import { create } from 'zustand';
import type { Failure } from '../../model/errors.ts';
import type { GpuUuid, HostId, ProcessSample, SliceId } from '../../model/model.ts';

export type Selection =
  | { readonly kind: 'host' }
  | { readonly kind: 'gpu'; readonly uuid: GpuUuid }
  | { readonly kind: 'slice'; readonly id: SliceId };

export const RANGES = ['1m', '5m', '15m', '1h', '24h'] as const;
export type Range = (typeof RANGES)[number];
export const RANGE_MS: Readonly<Record<Range, number>> = {
  '1m': 60_000,
  '5m': 300_000,
  '15m': 900_000,
  '1h': 3_600_000,
  '24h': 86_400_000,
};

export type Signal = 'INT' | 'TERM' | 'KILL';
export type Dialog =
  | { readonly kind: 'connect' }
  | { readonly kind: 'create'; readonly hostId: HostId; readonly gpuUuid: GpuUuid }
  | {
      readonly kind: 'stop-process';
      readonly hostId: HostId;
      readonly process: ProcessSample;
      readonly signal: Signal;
    }
  | { readonly kind: 'delete-slice'; readonly hostId: HostId; readonly sliceId: SliceId }
  | { readonly kind: 'rename-slice'; readonly hostId: HostId; readonly sliceId: SliceId }
  | { readonly kind: 'remove-agent'; readonly hostId: HostId };

export interface Toast {
  readonly id: number;
  readonly text: string;
  readonly failure: Failure | null;
  /** An edit that can be taken back from the toast. */
  readonly undo: UndoEntry | null;
  readonly untilMs: number;
}

export interface UndoEntry {
  readonly hostId: HostId;
  readonly token: string;
  /** What is taken back, as the toast said it. */
  readonly text: string;
  readonly expiresAtMs: number;
}

export interface LoggedEvent {
  readonly id: number;
  readonly hostId: HostId;
  readonly sliceId: SliceId | null;
  readonly atMs: number;
  readonly tone: 'plain' | 'warn' | 'bad';
  readonly text: string;
  /** Events with the same key are one line, as long as they keep coming; null: a line of its own. */
  readonly repeatKey: string | null;
  readonly count: number;
  readonly firstAtMs: number;
}

export interface UiState {
  readonly hostId: HostId | null;
  readonly selection: Selection;
  readonly range: Range;
  readonly paused: boolean;
  readonly filter: string;
  readonly dock: 'processes' | 'events';
  readonly dialog: Dialog | null;
  readonly toast: Toast | null;
  readonly undo: readonly UndoEntry[];
  readonly redo: readonly UndoEntry[];
  readonly events: readonly LoggedEvent[];
  /** Prompts the user put aside with Esc; they can be opened again from the host's row. */
  readonly hiddenPromptIds: readonly string[];
  /** Read out by screen readers: changes of state, never samples. */
  readonly announcement: string;
}

export const TOAST_MS = 10_000;
const UNDO_MAX = 50;
const EVENTS_MAX = 500;
/** After a pause this long the next one is news again. */
const REPEAT_MS = 600_000;
let nextId = 1;

export const useUi = create<UiState>(() => ({
  hostId: null,
  selection: { kind: 'host' },
  range: '15m',
  paused: false,
  filter: '',
  dock: 'processes',
  dialog: null,
  toast: null,
  undo: [],
  redo: [],
  events: [],
  hiddenPromptIds: [],
  announcement: '',
}));

export const selectHost = (hostId: HostId | null): void =>
  useUi.setState((s) => (s.hostId === hostId ? s : { hostId, selection: { kind: 'host' } }));
export const select = (hostId: HostId, selection: Selection): void => useUi.setState({ hostId, selection });
export const openDialog = (dialog: Dialog | null): void => useUi.setState({ dialog });
export const setRange = (range: Range): void => useUi.setState({ range });
export const announce = (announcement: string): void => useUi.setState({ announcement });

export function showToast(text: string, more: { undo?: UndoEntry; failure?: Failure } = {}): void {
  const toast: Toast = {
    id: nextId++,
    text,
    failure: more.failure ?? null,
    undo: more.undo ?? null,
    untilMs: Date.now() + TOAST_MS,
  };
  useUi.setState({ toast, announcement: text });
}
export const hideToast = (id: number): void =>
  useUi.setState((s) => (s.toast?.id === id ? { toast: null } : s));

export const pushUndo = (entry: UndoEntry): void =>
  useUi.setState((s) => ({ undo: [...s.undo.slice(-UNDO_MAX), entry] }));
export const pushRedo = (entry: UndoEntry): void =>
  useUi.setState((s) => ({ redo: [...s.redo.slice(-UNDO_MAX), entry] }));

/** The newest edit that the agent still remembers; it leaves the stack. */
export function takeLatest(stack: 'undo' | 'redo', nowMs = Date.now()): UndoEntry | null {
  const live = useUi.getState()[stack].filter((entry) => entry.expiresAtMs > nowMs);
  const entry = live.at(-1) ?? null;
  useUi.setState(stack === 'undo' ? { undo: live.slice(0, -1) } : { redo: live.slice(0, -1) });
  return entry;
}

/** Returns how often this has happened in a row: 1 is news. */
export function logEvent(
  event: Omit<LoggedEvent, 'id' | 'count' | 'firstAtMs' | 'repeatKey'> & { readonly repeatKey?: string },
): number {
  const { events } = useUi.getState();
  const { repeatKey = null } = event;
  const before =
    repeatKey === null
      ? undefined
      : events.find(
          (e) => e.repeatKey === repeatKey && e.hostId === event.hostId && event.atMs - e.atMs < REPEAT_MS,
        );
  const count = (before?.count ?? 0) + 1;
  const logged = { ...event, repeatKey, count, firstAtMs: before?.firstAtMs ?? event.atMs, id: nextId++ };
  useUi.setState({ events: [...events.filter((e) => e !== before).slice(-EVENTS_MAX), logged] });
  return count;
}
