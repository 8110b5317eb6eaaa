/** What goes on beside the screen: menu bar, links, notices, the tray. Each follows the stores; none is drawn. */
import { isCommandId } from '../model/commands.ts';
import type { CoreEvent, TrancheApi } from '../model/ipc.ts';
import type { HistoryPoint } from '../model/model.ts';
import { bindings, menuState, runCommand } from './commands/registry.ts';
import { followLink, followWaiting } from './features/links/follow.ts';
import { request } from './store/actions.ts';
import { forgetAudit, noteAudit } from './store/audit.ts';
import { useFleet } from './store/fleet.ts';
import { LOOKBACK_MS, forgetIdle, noteIdle } from './store/idle.ts';
import { useSettings } from './store/settings.ts';
import { useUi } from './store/ui.ts';

/** Snapshots come in bursts: the menu bar hears of them when they have settled. */
const MENU_DELAY_MS = 300;
/** A day in steps of a minute and a half. */
const IDLE_POINTS = 960;

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
  soon();
}

export function wire(api: TrancheApi): void {
  api.onEvent(onEvent);
  if (api.transport !== 'serve') keepMenuBar();
  useFleet.subscribe((now, before) => {
    if (now.loaded && !before.loaded) followWaiting();
  });
}
