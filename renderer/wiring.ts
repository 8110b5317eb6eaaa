/** What goes on beside the screen: menu bar, links, notices, the tray. Each follows the stores; none is drawn. */
import { isCommandId } from '../model/commands.ts';
import type { CoreEvent, TrancheApi } from '../model/ipc.ts';
import type { HistoryPoint } from '../model/model.ts';
import { request } from './store/ask.ts';
import { forgetAudit, noteAudit } from './store/audit.ts';
import { hostById, useFleet } from './store/fleet.ts';
import { LOOKBACK_MS, forgetIdle, idleSince, noteIdle } from './store/idle.ts';
import { setTelling, shownSample } from './store/series.ts';
import { useSettings } from './store/settings.ts';
import { useTerminals } from './store/terminals.ts';
import { takeTurns } from './store/turns.ts';
import { useUi } from './store/ui.ts';
import { startUpdates, noteUpdate, useUpdates } from './store/updates.ts';
import { followLink, followWaiting } from './acts/follow-link.ts';
import { showNotice } from './acts/show-notice.ts';
import type { Notice } from './acts/show-notice.ts';
import { onTerminalEvent, wireTerminals } from './acts/terminals.ts';
import { commandOfKey } from './commands/keys.ts';
import { bindings, menuState, runCommand } from './commands/registry.ts';
import { trayState } from './features/notices/tray-state.ts';
import { NoticeWatch } from './features/notices/watch.ts';

/** Snapshots come in bursts: the menu bar hears of them when they have settled. */
const MENU_DELAY_MS = 300;
/** What is free need not be newer than this in a menu that is opened now and then. */
const TRAY_EVERY_MS = 5000;
/** A day in steps of five minutes: one request for each slice that is found idle. */
const IDLE_POINTS = 288;

async function askHistory(
  hostId: string,
  sliceId: string,
  toMs: number,
): Promise<readonly HistoryPoint[] | null> {
  const result = await request('history:get', {
    hostId,
    sliceId,
    gpuUuid: null,
    fromMs: Math.max(0, toMs - LOOKBACK_MS),
    toMs,
    maxPoints: IDLE_POINTS,
  });
  return result.ok ? result.value.points : null;
}

const watch = new NoticeWatch(hostById);

/** In the order in which things are known: before the store takes the new snapshot. */
function tellOutside(message: CoreEvent): void {
  const one = (notice: Notice | null): void => {
    if (notice !== null) showNotice(notice);
  };
  if (message.event === 'host:changed') {
    one(watch.host(message.data, Date.now()));
    watch.jobs(message.data).forEach(one);
  }
  if (message.event === 'notice') {
    one(watch.denied(message.data, Date.now()));
    one(watch.fault(message.data, Date.now()));
  }
  if (message.event === 'audit') one(watch.audit(message.data));
  if (message.event === 'samples') {
    const { hotCelsius, idleMinutes } = useSettings.getState();
    const idleSinceMs = (hostId: string, sliceId: string): number | null =>
      idleSince(hostId, sliceId)?.sinceMs ?? null;
    watch.samples(message.data, { hotCelsius, idleMinutes, idleSinceMs }, Date.now()).forEach(one);
  }
}

function keepTray(): void {
  let said = '';
  const tell = (): void => {
    const { tray, noticesPaused } = useSettings.getState();
    const { hosts, order, loaded } = useFleet.getState();
    if (!loaded) return;
    const list = order.flatMap((id) => hosts[id] ?? []);
    const state = tray ? trayState(list, shownSample, noticesPaused) : null;
    const text = JSON.stringify(state);
    if (text === said || (said === '' && state === null)) return;
    said = text;
    void request('tray:show', { tray: state });
  };
  setInterval(tell, TRAY_EVERY_MS);
  useSettings.subscribe(tell);
  tell();
}

function onEvent(message: CoreEvent): void {
  if (message.event === 'command' && isCommandId(message.data.id)) runCommand(message.data.id);
  if (message.event === 'samples') {
    for (const { hostId, sample } of message.data) noteIdle(hostId, sample, askHistory);
  }
  if (message.event === 'audit') noteAudit(message.data.hostId, message.data.record);
  if (message.event === 'host:gone') {
    forgetIdle(message.data.hostId);
    forgetAudit(message.data.hostId);
  }
  onTerminalEvent(message);
  if (message.event === 'update:changed') noteUpdate(message.data);
  if (message.event === 'navigate') followLink(message.data.link);
}

function keepMenuBar(): void {
  let said = '';
  let timer: ReturnType<typeof setTimeout> | null = null;
  const tell = (): void => {
    timer = null;
    const state = menuState(bindings());
    const text = JSON.stringify(state);
    if (text === said) return;
    said = text;
    void request('menu:state', state);
  };
  const soon = (): void => {
    timer ??= setTimeout(tell, MENU_DELAY_MS);
  };
  useUi.subscribe(soon);
  useFleet.subscribe(soon);
  useSettings.subscribe(soon);
  useUpdates.subscribe(soon);
  useTerminals.subscribe(soon);
  soon();
}

/** For whoever measures a start: hosts have been drawn, as the frame after theirs begins. */
const HOSTS_DRAWN = 'tranche:hosts-drawn';
function markHostsDrawn(): void {
  requestAnimationFrame(() => requestAnimationFrame(() => performance.mark(HOSTS_DRAWN)));
}

/** Before the stores listen: notices compare what comes with what was known. */
export function wireNotices(api: TrancheApi): void {
  api.onEvent(tellOutside);
}

export function wire(api: TrancheApi): void {
  setTelling(
    takeTurns(
      (then) => requestAnimationFrame(then),
      () => performance.now(),
    ),
  );
  api.onEvent(onEvent);
  wireTerminals({
    isWindowKey: (event) => commandOfKey(event) === 'terminal.show',
    loadScreen: async () => (await import('./features/terminal/screen.ts')).createScreen,
  });
  if (api.transport !== 'serve') {
    void startUpdates();
    keepMenuBar();
    keepTray();
  }
  useFleet.subscribe((now, before) => {
    if (!now.loaded || before.loaded) return;
    markHostsDrawn();
    followWaiting();
  });
}
