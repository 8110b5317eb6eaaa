/** What this window shows: selection, range, dialogs, toasts. Nothing here is a fact about a host. */
import { create } from 'zustand';
import type { Failure } from '../../model/errors.ts';
import type { GpuUuid, HostId, SliceId } from '../../model/model.ts';
import type { Dialog, Picked } from './dialogs.ts';

export type Selection =
  | { readonly kind: 'host' }
  | { readonly kind: 'gpu'; readonly uuid: GpuUuid }
  | { readonly kind: 'slice'; readonly id: SliceId };

export const RANGES = ['1m', '5m', '15m', '1h', '24h', '7d'] as const;
export type Range = (typeof RANGES)[number];
export const RANGE_MS: Readonly<Record<Range, number>> = {
  '1m': 60_000,
  '5m': 300_000,
  '15m': 900_000,
  '1h': 3_600_000,
  '24h': 86_400_000,
  '7d': 604_800_000,
};

export const VIEWS = ['bars', 'charts', 'table', 'people'] as const;
export type ViewName = (typeof VIEWS)[number];
export const DOCK_TABS = ['jobs', 'processes', 'events', 'audit', 'terminal'] as const;
export type DockTab = (typeof DOCK_TABS)[number];
export const GROUPINGS = ['host', 'tag', 'model', 'none'] as const;
export type Grouping = (typeof GROUPINGS)[number];

/** Which list the palette shows: everything, or the answers to one question. */
export type PaletteMode = 'all' | 'give' | 'move' | 'until' | 'terminal';

export interface Toast {
  readonly id: number;
  readonly text: string;
  readonly failure: Failure | null;
  /** An edit that can be taken back from the toast. */
  readonly undo: UndoEntry | null;
  readonly untilMs: number;
}

/** One edit, and the host whose agent can take it back. */
export interface UndoToken {
  readonly hostId: HostId;
  readonly undoToken: string;
}

export interface UndoEntry {
  /** Undone in this order, when an act was more than one edit, on one host or several. */
  readonly tokens: readonly UndoToken[];
  /** None of the edits rests on another: one that is refused does not keep the others from being taken back. */
  readonly apart?: true;
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
  /** One host, or all of them on one screen. */
  readonly scope: 'host' | 'fleet';
  readonly view: ViewName;
  readonly picked: readonly Picked[];
  readonly fleetFilter: string;
  readonly grouping: Grouping;
  readonly palette: { readonly mode: PaletteMode; readonly query: string } | null;
  readonly dock: DockTab;
  /** The audit shows this slice alone. */
  readonly auditSliceId: SliceId | null;
  /** The job that commands are meant for. */
  readonly jobId: string | null;
  /** Its log is shown in the place of the list. */
  readonly jobLog: boolean;
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

/** From here on this window has seen for itself what happened. */
export const OPENED_AT_MS = Date.now();
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
  scope: 'host',
  view: 'bars',
  picked: [],
  fleetFilter: '',
  grouping: 'host',
  palette: null,
  dock: 'processes',
  auditSliceId: null,
  jobId: null,
  jobLog: false,
  dialog: null,
  toast: null,
  undo: [],
  redo: [],
  events: [],
  hiddenPromptIds: [],
  announcement: '',
}));

export const selectHost = (hostId: HostId | null): void =>
  useUi.setState((s) => ({
    scope: 'host',
    ...(s.hostId === hostId
      ? {}
      : { hostId, selection: { kind: 'host' }, picked: [], jobId: null, jobLog: false }),
  }));
/** Keeps the scope: what is picked on the screen of all hosts is inspected there. */
export const select = (hostId: HostId, selection: Selection): void =>
  useUi.setState((s) => ({
    hostId,
    selection,
    picked: [],
    ...(s.hostId === hostId ? {} : { jobId: null, jobLog: false }),
  }));
export const showFleet = (): void => useUi.setState({ scope: 'fleet' });
export const setView = (view: ViewName): void => useUi.setState({ view });
export const openPalette = (mode: PaletteMode = 'all', query = ''): void =>
  useUi.setState({ palette: { mode, query } });
export const closePalette = (): void => useUi.setState({ palette: null });

/** Adds a slice to those that are picked, or takes it out; the selected one is always among them. */
export function togglePicked(hostId: HostId, sliceId: SliceId): void {
  useUi.setState((s) => {
    const before: readonly Picked[] =
      s.picked.length > 0
        ? s.picked
        : s.selection.kind === 'slice' && s.hostId !== null
          ? [{ hostId: s.hostId, sliceId: s.selection.id }]
          : [];
    const without = before.filter((p) => p.hostId !== hostId || p.sliceId !== sliceId);
    const picked = without.length < before.length ? without : [...before, { hostId, sliceId }];
    const last = picked.at(-1);
    return last === undefined
      ? { picked, selection: { kind: 'host' } }
      : { picked, hostId: last.hostId, selection: { kind: 'slice', id: last.sliceId } };
  });
}
export const pickJob = (jobId: string | null): void => useUi.setState({ jobId, jobLog: false });
export function goToJob(hostId: HostId, jobId: string): void {
  selectHost(hostId);
  useUi.setState({ dock: 'jobs', jobId, jobLog: false });
}
export const showJobLog = (jobId: string): void => useUi.setState({ dock: 'jobs', jobId, jobLog: true });
export const openDialog = (dialog: Dialog | null): void => useUi.setState({ dialog });
export const closeDialog = (): void => openDialog(null);
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
