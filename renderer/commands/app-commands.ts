/** Commands of the window: views, ranges, undo, what opens. */
import { resample, toggleDemo, togglePaused } from '../store/live.ts';
import { hostNowMs } from '../store/series.ts';
import { toggleNoticesPaused, useSettings } from '../store/settings.ts';
import {
  RANGES,
  RANGE_MS,
  openDialog,
  openPalette,
  setRange,
  setView,
  showFleet,
  useUi,
} from '../store/ui.ts';
import type { DockTab, Range, ViewName } from '../store/ui.ts';
import { lookForUpdates, useUpdates } from '../store/updates.ts';
import { panBy, resetZoom, useZoom } from '../store/zoom.ts';
import { redoLatest, undoLatest } from '../acts/edits.ts';
import type { Bound, CommandContext } from './context.ts';

const always = (run: () => void, on?: boolean): Bound => ({
  refusal: null,
  run,
  ...(on === undefined ? {} : { on }),
});

/** The filter that belongs to what is shown: of all hosts, or of the host list. */
function focusFilter(): void {
  const { scope } = useUi.getState();
  document.getElementById(scope === 'fleet' ? 'fleet-filter' : 'host-filter')?.focus();
}

function selectAll({ ui, fleet }: CommandContext): void {
  const hosts =
    ui.scope === 'fleet' ? Object.values(fleet.hosts) : ui.hostId === null ? [] : [fleet.hosts[ui.hostId]];
  const picked = hosts.flatMap((host) =>
    (host?.slices ?? []).map((slice) => ({ hostId: host?.id ?? '', sliceId: slice.id })),
  );
  const last = picked.at(-1);
  if (last === undefined) return;
  useUi.setState({ picked, hostId: last.hostId, selection: { kind: 'slice', id: last.sliceId } });
}

/** On the clock of the host in view, which its charts follow. */
function pan({ ui, host }: CommandContext, direction: -1 | 1): void {
  panBy(direction, RANGE_MS[ui.range], host === null ? Date.now() : hostNowMs(host.id));
}

type ViewCommand = `view.${ViewName}` | `range.${Range}` | `dock.${Exclude<DockTab, 'terminal'>}`;

function choices({ ui }: CommandContext): Readonly<Record<ViewCommand, Bound>> {
  const view = (name: ViewName): Bound => always(() => setView(name), ui.view === name);
  const dock = (tab: DockTab): Bound =>
    always(() => useUi.setState({ dock: tab, auditSliceId: null, jobLog: false }), ui.dock === tab);
  const ranges = RANGES.map((name) => [`range.${name}`, always(() => setRange(name), ui.range === name)]);
  return {
    'view.bars': view('bars'),
    'view.charts': view('charts'),
    'view.table': view('table'),
    'view.people': view('people'),
    'dock.jobs': dock('jobs'),
    'dock.processes': dock('processes'),
    'dock.events': dock('events'),
    'dock.audit': dock('audit'),
    ...(Object.fromEntries(ranges) as Record<`range.${Range}`, Bound>),
  };
}

export function appCommands(context: CommandContext) {
  const { ui, fleet } = context;
  const nothing = (what: string): string => `Nothing to ${what}.`;
  return {
    'demo.toggle': {
      refusal:
        fleet.demo.available || fleet.demo.running ? null : (fleet.demo.note ?? 'The demo lab needs Linux.'),
      run: () => void toggleDemo(),
    },
    'host.connect': always(() => openDialog({ kind: 'connect' })),
    'app.settings': always(() => openDialog({ kind: 'settings' })),
    'app.diagnostics': always(() => openDialog({ kind: 'diagnostics' })),
    'edit.undo': {
      refusal: ui.undo.length === 0 ? nothing('undo') : null,
      run: () => void undoLatest(),
    },
    'edit.redo': {
      refusal: ui.redo.length === 0 ? nothing('redo') : null,
      run: () => void redoLatest(),
    },
    'palette.open': always(() => openPalette()),
    'filter.focus': always(focusFilter),
    'selection.all': always(() => selectAll(context)),
    'selection.none': {
      refusal: ui.selection.kind === 'host' ? 'Nothing is selected.' : null,
      run: () => useUi.setState({ picked: [], selection: { kind: 'host' } }),
    },
    'view.fleet': {
      refusal: fleet.order.length === 0 ? 'There are no hosts yet.' : null,
      run: showFleet,
      on: ui.scope === 'fleet',
    },
    'view.pause': always(() => void togglePaused(), ui.paused),
    'view.zoom-out': {
      refusal: useZoom.getState().window === null ? 'Nothing is zoomed into: drag over a chart.' : null,
      run: resetZoom,
    },
    'view.older': always(() => pan(context, -1)),
    'view.newer': {
      refusal: useZoom.getState().window === null ? 'Charts show the newest already.' : null,
      run: () => pan(context, 1),
    },
    'view.resample': always(() => void resample()),
    'notices.pause': always(toggleNoticesPaused, useSettings.getState().noticesPaused),
    'app.update': { ...always(lookForUpdates), present: useUpdates.getState().state.kind !== 'off' },
    'help.keys': always(() => openDialog({ kind: 'keys' })),
    ...choices(context),
  } as const;
}
