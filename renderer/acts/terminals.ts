/** The terminals of all hosts: what opens, closes and keeps them going. */
import type { CoreEvent } from '../../model/ipc.ts';
import type { Slice } from '../../model/slice.ts';
import type { HostId, HostSnapshot, TerminalInfo } from '../../model/model.ts';
import { isReachable } from '../domain/terminal-rights.ts';
import type { Screen, ScreenEvents, ScreenSize } from '../domain/terminal-screen.ts';
import { TerminalStream } from '../domain/terminal-stream.ts';
import { bytesOf, pastedLines, piecesOf } from '../domain/terminal-text.ts';
import type { TerminalState } from '../domain/terminal-text.ts';
import { copy, request, sayFailure } from '../store/ask.ts';
import { hostById, useFleet } from '../store/fleet.ts';
import { useSettings } from '../store/settings.ts';
import { askFocus, showTerminal, useTerminals } from '../store/terminals.ts';
import type { ListState, TerminalTab } from '../store/terminals.ts';
import { announce, openDialog, useUi } from '../store/ui.ts';

/** Before a screen has been measured. */
const FIRST_SIZE: ScreenSize = { columns: 80, rows: 24 };
/** The edge of the dock is dragged: the program hears of the size when it rests. */
const RESIZE_REST_MS = 80;
/** Requests of what is typed under way at once; more waits and goes together. */
const TYPING_MAX = 8;

/** What a tab has beside its facts; made when it is shown for the first time. */
interface Session {
  readonly screen: Screen;
  readonly stream: TerminalStream;
  typed: string[];
  typing: number;
  resizeTimer: ReturnType<typeof setTimeout> | null;
  /** Pastes what the user is asked about. */
  held: (() => void) | null;
}
const sessions = new Map<string, Session>();

/** What terminals need of the rooms above them. */
export interface TerminalWiring {
  /** Which keys are the window's even here; the registry of commands knows. */
  readonly isWindowKey: (event: KeyboardEvent) => boolean;
  /** What they are drawn on, fetched with the first of them. */
  readonly loadScreen: () => Promise<(events: ScreenEvents) => Screen>;
}
let wiring: TerminalWiring | null = null;
const opening = new Map<string, Promise<Session | null>>();

const find = (terminalId: string): TerminalTab | undefined =>
  useTerminals.getState().tabs.find((tab) => tab.terminalId === terminalId);

function change(terminalId: string, part: Partial<TerminalTab>): void {
  useTerminals.setState(({ tabs }) => ({
    tabs: tabs.map((tab) => (tab.terminalId === terminalId ? { ...tab, ...part } : tab)),
  }));
  const state = part.state;
  if (state !== undefined) sessions.get(terminalId)?.screen.setInert(state.kind !== 'live');
}

/* ---- which there are ------------------------------------------------------------------------------------ */

function tabOf(hostId: HostId, info: TerminalInfo): TerminalTab {
  const { terminalId, sliceId, startedAtMs, endedAtMs, exitCode, signal } = info;
  const state: TerminalState =
    endedAtMs === null ? { kind: 'connecting' } : { kind: 'ended', exitCode, signal };
  return { hostId, terminalId, sliceId, startedAtMs, title: '', state };
}

const setList = (hostId: HostId, state: ListState): void =>
  useTerminals.setState(({ lists }) => ({ lists: { ...lists, [hostId]: state } }));

const asking = new Map<HostId, Promise<void>>();

/** Asks which there are; who asks meanwhile waits for the same answer. */
export function listTerminals(hostId: HostId): Promise<void> {
  const known = asking.get(hostId) ?? askList(hostId).finally(() => asking.delete(hostId));
  asking.set(hostId, known);
  return known;
}

/** What is shown already stays as it is; what is gone there has ended. */
async function askList(hostId: HostId): Promise<void> {
  setList(hostId, { kind: 'asking' });
  const reply = await request('terminal:list', { hostId });
  if (!reply.ok) {
    setList(hostId, { kind: 'failed', failure: reply.error });
    return;
  }
  const there = new Set(reply.value.map(({ terminalId }) => terminalId));
  useTerminals.setState(({ tabs }) => {
    const known = new Set(tabs.map(({ terminalId }) => terminalId));
    const fresh = reply.value.filter(({ terminalId }) => !known.has(terminalId));
    // One that nobody has looked at and that is gone there is none any more.
    const kept = tabs.filter(
      (tab) => tab.hostId !== hostId || there.has(tab.terminalId) || sessions.has(tab.terminalId),
    );
    return { tabs: [...kept, ...fresh.map((info) => tabOf(hostId, info))] };
  });
  setList(hostId, { kind: 'known' });
}

export async function openTerminal(host: HostSnapshot, slice: Slice): Promise<void> {
  useUi.setState({ dock: 'terminal', scope: 'host' });
  const size = [...sessions.values()].at(-1)?.screen.size ?? FIRST_SIZE;
  const reply = await request('terminal:open', { hostId: host.id, sliceId: slice.id, ...size });
  if (!reply.ok) {
    sayFailure(reply.error);
    return;
  }
  const { terminalId } = reply.value;
  useTerminals.setState(({ tabs }) => ({
    tabs: [
      ...tabs,
      {
        hostId: host.id,
        terminalId,
        sliceId: slice.id,
        startedAtMs: Date.now(),
        title: '',
        state: { kind: 'connecting' },
      },
    ],
  }));
  showTerminal(host.id, terminalId);
  askFocus();
  announce(`A terminal in ${slice.name} is open`);
}

function drop(terminalId: string): void {
  sessions.get(terminalId)?.screen.dispose();
  sessions.delete(terminalId);
  useTerminals.setState(({ tabs }) => ({ tabs: tabs.filter((tab) => tab.terminalId !== terminalId) }));
}

/** Asks first if a program runs in front; `insists`: it was asked. */
export async function closeTerminal(tab: TerminalTab, insists = false): Promise<void> {
  const { hostId, terminalId } = tab;
  const reply = await request('terminal:close', { hostId, terminalId, ifIdle: !insists });
  if (reply.ok || reply.error.code === 'unknown-terminal') {
    drop(terminalId);
    announce('The terminal is closed');
  } else if (reply.error.code === 'terminal-busy') {
    openDialog({ kind: 'close-terminal', hostId, terminalId, message: reply.error.message });
  } else {
    sayFailure(reply.error);
  }
}

/* ---- one of them ---------------------------------------------------------------------------------------- */

async function type(hostId: HostId, terminalId: string, session: Session): Promise<void> {
  if (session.typing >= TYPING_MAX) return;
  const data = session.typed.shift();
  if (data === undefined) return;
  session.typing += 1;
  const reply = await request('terminal:input', { hostId, terminalId, data });
  session.typing -= 1;
  if (!reply.ok) {
    // Typed into nothing: the rest would come out of its place.
    session.typed = [];
    if (reply.error.code === 'busy') sayFailure(reply.error);
    return;
  }
  void type(hostId, terminalId, session);
}

function pasted(terminalId: string, text: string, bracketed: boolean, paste: () => void): void {
  const lines = pastedLines(text);
  const session = sessions.get(terminalId);
  if (lines === 1 || bracketed) paste();
  else if (session !== undefined) {
    session.held = paste;
    openDialog({ kind: 'paste-lines', terminalId, text, lines });
  }
}

/** What was held back is meant. A terminal that is gone meanwhile takes nothing. */
export function pasteHeld(terminalId: string): void {
  const session = sessions.get(terminalId);
  const paste = session?.held;
  if (session !== undefined) session.held = null;
  paste?.();
}

async function make(tab: TerminalTab): Promise<Session | null> {
  const { hostId, terminalId } = tab;
  if (wiring === null) throw new Error('a terminal before the wiring');
  const { isWindowKey, loadScreen } = wiring;
  const createScreen = await loadScreen();
  if (find(terminalId) === undefined) return null; // closed meanwhile
  const screen = createScreen({
    onInput(bytes) {
      const session = sessions.get(terminalId);
      if (session === undefined || session.stream.replaying || find(terminalId)?.state.kind !== 'live')
        return;
      session.typed.push(...piecesOf(bytes));
      void type(hostId, terminalId, session);
    },
    onTitle: (title) => change(terminalId, { title }),
    onResize() {
      const session = sessions.get(terminalId);
      if (session === undefined || find(terminalId)?.state.kind !== 'live') return;
      if (session.resizeTimer !== null) clearTimeout(session.resizeTimer);
      session.resizeTimer = setTimeout(() => {
        session.resizeTimer = null;
        // Its answer says nothing that the screen does not: one that has ended needs no size.
        void request('terminal:resize', { hostId, terminalId, ...session.screen.size });
      }, RESIZE_REST_MS);
    },
    onLink: (address) => void copy(address, `Link ${address}`),
    onCopy: (text) => void copy(text, 'Selection'),
    onPaste: (text, bracketed, paste) => pasted(terminalId, text, bracketed, paste),
    isWindowKey,
  });
  screen.setReader(useSettings.getState().terminalReader);
  screen.setInert(true);
  const stream = new TerminalStream(screen, async (offset) => {
    const reply = await request('terminal:ack', { hostId, terminalId, offset });
    return reply.ok;
  });
  const session: Session = { screen, stream, typed: [], typing: 0, resizeTimer: null, held: null };
  sessions.set(terminalId, session);
  return session;
}

/** Asks from the byte that is there; what was said meanwhile follows. */
async function attach(terminalId: string): Promise<void> {
  const tab = find(terminalId);
  const session = sessions.get(terminalId);
  if (tab === undefined || session === undefined || !isReachable(hostById(tab.hostId))) return;
  const offset = session.stream.ask();
  const { hostId } = tab;
  const reply = await request('terminal:attach', { hostId, terminalId, offset, ...session.screen.size });
  if (reply.ok) return;
  const gone = reply.error.code === 'unknown-terminal';
  const away = reply.error.code === 'connection-lost' || reply.error.code === 'not-connected';
  change(terminalId, {
    state: gone
      ? { kind: 'ended', exitCode: null, signal: null }
      : away
        ? { kind: 'lost' }
        : { kind: 'failed', failure: reply.error },
  });
}

/** After an answer that did not come, or a refusal that may not hold any more. */
export function retryTerminal(terminalId: string): void {
  change(terminalId, { state: { kind: 'connecting' } });
  void attach(terminalId);
}

/** Puts a terminal into the panel. Its screen is made and attached the first time. */
export async function mountTerminal(terminalId: string, place: HTMLElement): Promise<Screen | null> {
  const known = sessions.get(terminalId);
  if (known !== undefined) {
    known.screen.mount(place);
    return known.screen;
  }
  const tab = find(terminalId);
  if (tab === undefined) return null;
  const promise = opening.get(terminalId) ?? make(tab);
  opening.set(terminalId, promise);
  const session = await promise;
  const isFirst = opening.delete(terminalId);
  if (session === null) return null;
  if (place.isConnected) session.screen.mount(place);
  if (isFirst) void attach(terminalId);
  return session.screen;
}

/* ---- what comes ----------------------------------------------------------------------------------------- */

function ended(tab: TerminalTab, exitCode: number | null, signal: number | null): void {
  const was = tab.state;
  change(tab.terminalId, { state: { kind: 'ended', exitCode, signal } });
  // Left with `exit` while somebody looked: there is nothing to see any more.
  if (was.kind === 'live' && exitCode === 0) void closeTerminal(tab, true);
  else if (was.kind !== 'ended') announce('The shell of the terminal has ended');
}

export function onTerminalEvent(message: CoreEvent): void {
  if (message.event === 'terminal:output') {
    const { hostId, terminalId, offset, data } = message.data;
    // An id is hard to guess; a host that has guessed one of another's says nothing in its place.
    if (find(terminalId)?.hostId === hostId) sessions.get(terminalId)?.stream.output(offset, bytesOf(data));
  } else if (message.event === 'terminal:attached') {
    const { hostId, terminalId, offset, endOffset } = message.data;
    const kind = find(terminalId)?.state.kind;
    if (find(terminalId)?.hostId !== hostId) return;
    sessions.get(terminalId)?.stream.attached(offset, endOffset);
    if (kind === 'lost') announce('The terminal is back');
    if (kind !== 'ended') change(terminalId, { state: { kind: 'live' } });
  } else if (message.event === 'terminal:ended') {
    const tab = find(message.data.terminalId);
    if (tab?.hostId === message.data.hostId) ended(tab, message.data.exitCode, message.data.signal);
  } else if (message.event === 'host:gone') {
    for (const tab of useTerminals.getState().tabs) {
      if (tab.hostId === message.data.hostId) drop(tab.terminalId);
    }
  }
}

/** A link that breaks takes nothing away, and one that is back goes on from where it was. */
function hostChanged(now: HostSnapshot, before: HostSnapshot | undefined): void {
  const reachable = isReachable(now);
  if (reachable === isReachable(before ?? null)) return;
  const tabs = useTerminals.getState().tabs.filter((tab) => tab.hostId === now.id);
  for (const { terminalId, state } of tabs) {
    if (!reachable && (state.kind === 'live' || state.kind === 'connecting')) {
      change(terminalId, { state: { kind: 'lost' } });
    }
    if (reachable && state.kind !== 'ended') void attach(terminalId);
  }
  if (reachable && useTerminals.getState().lists[now.id] !== undefined) void listTerminals(now.id);
}

export function wireTerminals(wires: TerminalWiring): void {
  wiring = wires;
  useFleet.subscribe((now, before) => {
    if (now.hosts === before.hosts || useTerminals.getState().tabs.length === 0) return;
    for (const host of Object.values(now.hosts)) {
      if (host !== before.hosts[host.id]) hostChanged(host, before.hosts[host.id]);
    }
  });
  useSettings.subscribe(({ terminalReader }, before) => {
    if (terminalReader === before.terminalReader) return;
    for (const { screen } of sessions.values()) screen.setReader(terminalReader);
  });
}
