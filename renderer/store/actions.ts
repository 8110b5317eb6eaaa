/** Everything the window can ask the core for. Success becomes a toast with Undo; failure a toast that says why. */
import type { Failure, Result } from '../../model/errors.ts';
import type {
  CoreEvent,
  CoreEvents,
  RequestArgs,
  RequestChannel,
  RequestValues,
  TrancheApi,
} from '../../model/ipc.ts';
import type { HostId, HostSnapshot, SliceEdit } from '../../model/model.ts';
import { dropHost, hostById, putFleet, putHost, useFleet } from './fleet.ts';
import { meetOwners } from './owners.ts';
import { remember } from './remembered.ts';
import * as series from './series.ts';
import * as ui from './ui.ts';

let api: TrancheApi | null = null;
let demoAsked = false;
let rememberedHost: string | null = null;
/** What was selected on it; used once, when its GPUs and slices are there. */
let rememberedSelection: ui.Selection = { kind: 'host' };

/** The agent keeps undo tokens ten minutes; clocks of host and desktop may differ, so we count our own. */
const UNDO_LIFE_MS = 600_000;

export function request<C extends RequestChannel>(
  channel: C,
  args: RequestArgs<C>,
): Promise<Result<RequestValues[C]>> {
  if (api === null) throw new Error('request before start');
  return api.request(channel, args);
}

export const about = (): { platform: string; appVersion: string; transport: string } => ({
  platform: api?.platform ?? '',
  appVersion: api?.appVersion ?? '',
  transport: api?.transport ?? '',
});

/** Asks, and says so when it is refused. */
export async function ask<C extends RequestChannel>(
  channel: C,
  args: RequestArgs<C>,
): Promise<RequestValues[C] | null> {
  const result = await request(channel, args);
  if (result.ok) return result.value;
  sayFailure(result.error);
  return null;
}

export const sayFailure = (failure: Failure): void => ui.showToast(failure.message, { failure });

/** Refused for nothing but a person's quota: asked again, over it, when the user says so. */
export async function withinQuota<T>(
  work: (more: { readonly overQuota?: true }) => Promise<Result<T>>,
): Promise<Result<T>> {
  const first = await work({});
  if (first.ok || first.error.code !== 'quota-exceeded') return first;
  const { message } = first.error;
  const meant = await new Promise<boolean>((resolve) => {
    ui.openDialog({
      kind: 'over-quota',
      message,
      answer: (overQuota) => {
        ui.closeDialog();
        resolve(overQuota);
      },
    });
  });
  return meant ? work({ overQuota: true }) : first;
}

/** An edit of a slice: applied at once, undone from the toast or with Ctrl+Z. */
export async function edit(
  hostId: HostId,
  text: string,
  asked: Promise<Result<SliceEdit>>,
): Promise<SliceEdit | null> {
  const result = await asked;
  if (!result.ok) {
    sayFailure(result.error);
    return null;
  }
  edited(hostId, result.value.sliceId, text, [result.value.undoToken]);
  return result.value;
}

/** Says what was done and keeps how it is taken back. `undoTokens`: in the order in which they are to be used. */
export function edited(hostId: HostId, sliceId: string, text: string, undoTokens: readonly string[]): void {
  const undo = keepUndo(
    text,
    undoTokens.map((undoToken) => ({ hostId, undoToken })),
  );
  ui.showToast(text, { undo });
  ui.logEvent({ hostId, sliceId, atMs: Date.now(), tone: 'plain', text });
}

/** Keeps how an act is taken back. `tokens`: in the order in which they are to be used, over as many hosts as it was. */
export function keepUndo(
  text: string,
  tokens: readonly ui.UndoToken[],
  more: Pick<ui.UndoEntry, 'apart'> = {},
): ui.UndoEntry {
  const undo: ui.UndoEntry = { tokens, text, expiresAtMs: Date.now() + UNDO_LIFE_MS, ...more };
  ui.pushUndo(undo);
  return undo;
}

/** Takes back an edit. The reply carries the token that does it again. */
export async function undoEdit(entry: ui.UndoEntry): Promise<void> {
  ui.useUi.setState((s) => ({ undo: s.undo.filter((e) => e !== entry), toast: null }));
  await applyInverse(entry, 'Undone: ', ui.pushRedo);
}

async function applyInverse(
  entry: ui.UndoEntry,
  prefix: string,
  keep: (inverse: ui.UndoEntry) => void,
): Promise<void> {
  const inverse: ui.UndoToken[] = [];
  let failure: Failure | null = null;
  for (const { hostId, undoToken } of entry.tokens) {
    const result = await withinQuota((more) => request('slice:undo', { hostId, undoToken, ...more }));
    if (result.ok) inverse.unshift({ hostId, undoToken: result.value.undoToken });
    else failure ??= result.error;
    if (failure !== null && entry.apart !== true) break;
  }
  // What was taken back beside a refusal can be done again, too.
  if (inverse.length > 0) keep({ ...entry, tokens: inverse, expiresAtMs: Date.now() + UNDO_LIFE_MS });
  if (failure !== null) {
    const { length } = entry.tokens;
    const far =
      length === 1
        ? ''
        : ` ${String(inverse.length)} of ${String(length)} edits went through; the rest is as it was.`;
    sayFailure({ ...failure, message: `${failure.message}${far}` });
    return;
  }
  ui.showToast(`${prefix}${entry.text}`);
}

export async function undoLatest(): Promise<void> {
  const entry = ui.takeLatest('undo');
  if (entry === null) ui.showToast('Nothing to undo.');
  else await undoEdit(entry);
}

export async function redoLatest(): Promise<void> {
  const entry = ui.takeLatest('redo');
  if (entry === null) ui.showToast('Nothing to redo.');
  else await applyInverse(entry, 'Done again: ', ui.pushUndo);
}

export async function copy(text: string, what: string): Promise<void> {
  const done = (await api?.copyText(text)) ?? false;
  ui.showToast(done ? `${what} copied` : `${what} could not be copied: the system refused the clipboard.`);
}

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
  const bad = code === 'denied' || code === 'xid';
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
  api = opened;
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
