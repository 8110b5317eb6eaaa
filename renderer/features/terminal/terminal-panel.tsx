/** The dock's terminals: one tab each, and the screen of the one in view. */
import { useEffect, useRef, useState } from 'react';
import type { KeyboardEvent, ReactElement } from 'react';
import type { Slice } from '../../../model/slice.ts';
import type { HostSnapshot } from '../../../model/model.ts';
import { usableSlices } from '../../domain/job-rights.ts';
import { isReachable, terminalRefusal } from '../../domain/terminal-rights.ts';
import type { Screen } from '../../domain/terminal-screen.ts';
import { stateSentence } from '../../domain/terminal-text.ts';
import { selectedSlice } from '../../store/selected.ts';
import { showTerminal, shownTab, useTerminals } from '../../store/terminals.ts';
import type { TerminalTab } from '../../store/terminals.ts';
import { useUi } from '../../store/ui.ts';
import { Button, cx } from '../../components/bits.tsx';
import { Icon } from '../../components/icons.tsx';
import {
  closeTerminal,
  listTerminals,
  mountTerminal,
  openTerminal,
  retryTerminal,
} from '../../acts/terminals.ts';
import { commandKey } from '../../commands/menu-entries.ts';

const DELETED = 'deleted slice';

const nameOf = (host: HostSnapshot, tab: TerminalTab): string =>
  host.slices.find((slice) => slice.id === tab.sliceId)?.name ?? DELETED;

export function TerminalPanel({ host }: { readonly host: HostSnapshot }): ReactElement {
  const all = useTerminals((s) => s.tabs);
  const shownId = useTerminals((s) => s.shown[host.id]);
  const list = useTerminals((s) => s.lists[host.id]);
  const reachable = isReachable(host);
  useEffect(() => {
    if (reachable) void listTerminals(host.id);
  }, [host.id, reachable]);
  const tabs = all.filter((tab) => tab.hostId === host.id);
  const shown = shownTab(host.id, { ...useTerminals.getState(), tabs, shown: { [host.id]: shownId ?? '' } });
  return (
    <div className="terminals">
      {tabs.length > 0 && <Tabs host={host} tabs={tabs} shown={shown} />}
      {shown !== null ? (
        <Pane key={shown.terminalId} host={host} tab={shown} />
      ) : (
        <Empty
          host={host}
          text={
            !reachable
              ? `${host.name} is not connected.`
              : list?.kind === 'failed'
                ? list.failure.message
                : list?.kind === 'known'
                  ? null
                  : 'Looking for terminals…'
          }
        />
      )}
    </div>
  );
}

/** The slice that a new one would be in: the selected one, else the first that one may use. */
function useTarget(host: HostSnapshot): Slice | undefined {
  useUi((s) => s.selection);
  const selected = selectedSlice(host);
  return selected !== null && terminalRefusal(host, selected) === null ? selected : usableSlices(host)[0];
}

function Tabs(props: {
  readonly host: HostSnapshot;
  readonly tabs: readonly TerminalTab[];
  readonly shown: TerminalTab | null;
}): ReactElement {
  const { host, tabs, shown } = props;
  const target = useTarget(host);
  const beside = host.slices.find((slice) => slice.id === shown?.sliceId) ?? target;
  const step = (event: KeyboardEvent, at: number): void => {
    const by = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    const next = tabs[(at + by + tabs.length) % tabs.length];
    if (by === 0 || next === undefined) return;
    event.preventDefault();
    showTerminal(host.id, next.terminalId);
    document.getElementById(`terminal-tab-${next.terminalId}`)?.focus();
  };
  return (
    <div className="terminal-tabs">
      <div className="tabs" role="tablist" aria-label="Terminals">
        {tabs.map((tab, at) => {
          const name = nameOf(host, tab);
          const selected = tab.terminalId === shown?.terminalId;
          return (
            <button
              key={tab.terminalId}
              id={`terminal-tab-${tab.terminalId}`}
              type="button"
              role="tab"
              className={cx('terminal-tab', tab.state.kind !== 'live' && 'off')}
              aria-selected={selected}
              tabIndex={selected ? 0 : -1}
              title={tab.title === '' ? name : `${name}: ${tab.title}`}
              onClick={() => showTerminal(host.id, tab.terminalId)}
              onKeyDown={(event) => step(event, at)}
            >
              <b className="cut">{name}</b>
              {tab.title !== '' && <span className="two cut">{tab.title}</span>}
              {tab.state.kind === 'ended' && <span className="three">ended</span>}
            </button>
          );
        })}
      </div>
      <Button
        kind="quiet"
        tight
        label="New terminal"
        title={`New terminal in ${beside?.name ?? 'a slice'}`}
        refusal={beside === undefined ? `You have no slice on ${host.name}.` : terminalRefusal(host, beside)}
        onClick={() => {
          if (beside !== undefined) void openTerminal(host, beside);
        }}
      >
        <Icon name="plus" />
      </Button>
      <div className="grow" />
      <span className="micro three wide">
        {commandKey('terminal.show') ?? 'Show terminal'} leads in and out; all other keys are the shell’s
      </span>
      {shown !== null && (
        <Button kind="quiet" tight onClick={() => void closeTerminal(shown)}>
          Close terminal
        </Button>
      )}
    </div>
  );
}

function Pane({ host, tab }: { readonly host: HostSnapshot; readonly tab: TerminalTab }): ReactElement {
  const { terminalId, state } = tab;
  const place = useRef<HTMLDivElement>(null);
  const [screen, setScreen] = useState<Screen | null>(null);
  const focusAsked = useTerminals((s) => s.focusAsked);
  const focusDone = useRef(0);
  useEffect(() => {
    const element = place.current;
    if (element === null) return undefined;
    let here = true;
    void mountTerminal(terminalId, element).then((made) => {
      if (here) setScreen(made);
    });
    return () => {
      here = false;
    };
  }, [terminalId]);
  useEffect(() => {
    const element = place.current;
    if (element === null || screen === null) return undefined;
    const observer = new ResizeObserver(() => screen.fit());
    observer.observe(element);
    return () => observer.disconnect();
  }, [screen]);
  const name = nameOf(host, tab);
  const key = commandKey('terminal.show');
  useEffect(() => {
    screen?.setLabel(`Terminal in ${name}${key === undefined ? '' : `. ${key} leaves it`}`);
  }, [screen, name, key]);
  useEffect(() => {
    if (screen === null || focusAsked === focusDone.current) return;
    focusDone.current = focusAsked;
    if (focusAsked > 0) screen.focus();
  }, [screen, focusAsked]);
  const gone = name === DELETED && state.kind === 'live';
  const sentence = gone
    ? 'Its slice was deleted: the shell goes on, and programs in it get no GPU memory any more.'
    : stateSentence(state, host.name);
  return (
    <div className="terminal-pane" role="tabpanel" aria-labelledby={`terminal-tab-${terminalId}`}>
      {sentence !== null && (
        <p className={cx('terminal-note', 'small', state.kind === 'failed' && 'bad')} role="status">
          <span className="grow">{sentence}</span>
          {state.kind === 'failed' && (
            <Button kind="quiet" tight onClick={() => retryTerminal(terminalId)}>
              Try again
            </Button>
          )}
          {state.kind === 'ended' && (
            <Button kind="quiet" tight onClick={() => void closeTerminal(tab)}>
              Close
            </Button>
          )}
        </p>
      )}
      <div ref={place} className={cx('terminal-place', state.kind !== 'live' && 'old')} />
    </div>
  );
}

/** `text`: what there is to say instead of an offer. */
function Empty({ host, text }: { readonly host: HostSnapshot; readonly text: string | null }): ReactElement {
  const target = useTarget(host);
  const focusAsked = useTerminals((s) => s.focusAsked);
  const ref = useRef<HTMLDivElement>(null);
  const offers = text === null && target !== undefined;
  useEffect(() => {
    if (focusAsked > 0 && offers) ref.current?.querySelector('button')?.focus();
  }, [focusAsked, offers]);
  return (
    <div ref={ref} className="dock-empty small two terminal-empty">
      <p>
        {text ??
          (target === undefined
            ? `You have no slice on ${host.name} to open a terminal in.`
            : 'A shell in a slice: what is started in it has the slice’s limits, and it goes on when the link breaks or this window closes.')}
      </p>
      {offers && (
        <Button onClick={() => void openTerminal(host, target)}>Open a terminal in {target.name}</Button>
      )}
    </div>
  );
}
