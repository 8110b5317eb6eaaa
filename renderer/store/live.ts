/** Keeps the stores up with the core: what it tells, and what is asked when the window opens. */
import { isFaultNotice } from '../../model/backends.ts';
import type { CoreEvent, CoreEvents, TrancheApi } from '../../model/ipc.ts';
import type { HostSnapshot } from '../../model/model.ts';
import { ask, askThrough, request, sayFailure } from './ask.ts';
import { dropHost, hostById, putFleet, putHost, useFleet } from './fleet.ts';
import { meetOwners } from './owners.ts';
import { remember } from './remembered.ts';
import * as series from './series.ts';
import * as ui from './ui.ts';

let demoAsked = false;
let rememberedHost: string | null = null;
/** What was selected on it; used once, when its GPUs and slices are there. */
let rememberedSelection: ui.Selection = { kind: 'host' };

export async function togglePaused(): Promise<void> {
  const paused = !ui.useUi.getState().paused;
  ui.useUi.setState({ paused });
  series.setPaused(paused);
  ui.announce(paused ? 'Paused' : 'Live');
}

function wordOf(host: HostSnapshot): string {
  const { connection } = host;
  return connection.kind === 'blocked' || connection.kind === 'failed'
    ? `${connection.kind}: ${connection.failure.message}`
    : connection.kind;
}

function meetHost(host: HostSnapshot): void {
  const before = hostById(host.id);
  meetOwners(host.slices.map((slice) => slice.owner));
  series.seedSample(host.id, host.lastSample);
  if (before !== null && before.connection.kind !== host.connection.kind) {
    ui.announce(`${host.name}: ${wordOf(host)}`);
    if (['stale', 'reconnecting', 'blocked', 'failed', 'live'].includes(host.connection.kind)) {
      const tone =
        host.connection.kind === 'live' ? 'plain' : host.connection.kind === 'blocked' ? 'bad' : 'warn';
      ui.logEvent({ hostId: host.id, sliceId: null, atMs: Date.now(), tone, text: wordOf(host) });
    }
  }
}

/** A program that is denied tries again and again: that is one thing that happens, not a hundred. */
export function onNotice({ hostId, sliceId, atMs, code, message }: CoreEvents['notice']): void {
  const bad = code === 'denied' || isFaultNotice(code);
  const denied = code === 'denied';
  const pid = /\(pid (\d+)\)/.exec(message)?.[1];
  const count = ui.logEvent({
    hostId,
    sliceId,
    atMs,
    tone: bad ? 'bad' : 'warn',
    text: message,
    ...(denied && pid !== undefined ? { repeatKey: `${code} ${sliceId ?? ''} ${pid}` } : {}),
  });
  if (count === 1) ui.announce(message);
}

function onEvent(message: CoreEvent): void {
  switch (message.event) {
    case 'samples':
      series.pushSamples(message.data);
      break;
    case 'host:changed':
      meetHost(message.data);
      putHost(message.data);
      selectArrived(message.data);
      restoreSelection(message.data);
      break;
    case 'host:gone':
      series.forgetHost(message.data.hostId);
      dropHost(message.data.hostId);
      if (ui.useUi.getState().hostId === message.data.hostId) ui.selectHost(null);
      break;
    case 'fleet:changed':
      useFleet.setState(message.data);
      break;
    case 'notice':
      onNotice(message.data);
      break;
    // Followed by those whom they concern (wiring.ts).
    case 'audit':
    case 'command':
    case 'navigate':
    case 'terminal:attached':
    case 'terminal:ended':
    case 'terminal:output':
    case 'update:changed':
      break;
  }
}

/** The host of the last time; else the first host that shows something; else the first there is. */
function selectFirst(hosts: readonly HostSnapshot[]): void {
  const first =
    hosts.find((host) => host.id === rememberedHost) ??
    hosts.find((host) => host.connection.kind === 'live') ??
    hosts[0];
  if (ui.useUi.getState().hostId !== null || first === undefined) return;
  ui.useUi.setState({ hostId: first.id });
  if (first.id === rememberedHost) restoreSelection(first);
}

/** The GPU or slice of the last time, as soon as the host shows it, unless something else was selected meanwhile. */
function restoreSelection(host: HostSnapshot): void {
  const wanted = rememberedSelection;
  if (wanted.kind === 'host' || host.id !== rememberedHost) return;
  const isThere =
    wanted.kind === 'gpu'
      ? host.gpus.some((gpu) => gpu.uuid === wanted.uuid)
      : host.slices.some((slice) => slice.id === wanted.id);
  if (!isThere) return;
  rememberedSelection = { kind: 'host' };
  const { hostId, selection } = ui.useUi.getState();
  if (hostId === host.id && selection.kind === 'host') ui.select(host.id, wanted);
}

/** Nothing is looked at yet, or the demo lab was just asked for: show what has come. */
function selectArrived(host: HostSnapshot): void {
  const asked = demoAsked && host.source === 'demo';
  if (ui.useUi.getState().hostId !== null && !asked) return;
  demoAsked = false;
  ui.selectHost(host.id);
}

export async function toggleDemo(): Promise<void> {
  const { running } = useFleet.getState().demo;
  demoAsked = !running;
  await ask(running ? 'demo:stop' : 'demo:start', {});
}

export async function refresh(): Promise<void> {
  const result = await request('fleet:get', {});
  if (!result.ok) {
    sayFailure(result.error);
    return;
  }
  for (const host of result.value.hosts) meetHost(host);
  putFleet(result.value);
  selectFirst(result.value.hosts);
}

/** F5: asks the core for everything again; the page itself is never reloaded. */
export async function resample(): Promise<void> {
  await refresh();
  series.renew();
  ui.announce('Asked for everything again');
}

export async function start(opened: TrancheApi): Promise<void> {
  askThrough(opened);
  ({ hostId: rememberedHost, selection: rememberedSelection } = remember(localStorage));
  series.setLimitSource((subject) => {
    if (subject.kind === 'gpu') return null;
    const slice = hostById(subject.hostId)?.slices.find((s) => s.id === subject.id);
    return slice ?? null;
  });
  opened.onEvent(onEvent);
  document.addEventListener('visibilitychange', () => {
    void request('view:visible', { visible: document.visibilityState === 'visible' });
  });
  await refresh();
}
