/** Which terminals there are, on all hosts, and which of them is in view. */
import { create } from 'zustand';
import type { Failure } from '../../model/errors.ts';
import type { HostId, SliceId } from '../../model/model.ts';
import type { TerminalState } from '../domain/terminal-text.ts';

export interface TerminalTab {
  readonly hostId: HostId;
  readonly terminalId: string;
  readonly sliceId: SliceId;
  readonly startedAtMs: number;
  /** What its program calls it; empty: nothing. */
  readonly title: string;
  readonly state: TerminalState;
}

export type ListState =
  | { readonly kind: 'asking' }
  | { readonly kind: 'known' }
  | { readonly kind: 'failed'; readonly failure: Failure };

interface Terminals {
  readonly tabs: readonly TerminalTab[];
  readonly shown: Readonly<Record<HostId, string>>;
  readonly lists: Readonly<Record<HostId, ListState>>;
  /** Counts up: the panel is to take the keyboard. */
  readonly focusAsked: number;
}

export const useTerminals = create<Terminals>(() => ({ tabs: [], shown: {}, lists: {}, focusAsked: 0 }));

export const showTerminal = (hostId: HostId, terminalId: string): void =>
  useTerminals.setState(({ shown }) => ({ shown: { ...shown, [hostId]: terminalId } }));

export const askFocus = (): void =>
  useTerminals.setState(({ focusAsked }) => ({ focusAsked: focusAsked + 1 }));

/** The one in view on this host. */
export function shownTab(hostId: HostId, { tabs, shown } = useTerminals.getState()): TerminalTab | null {
  const here = tabs.filter((tab) => tab.hostId === hostId);
  return here.find((tab) => tab.terminalId === shown[hostId]) ?? here.at(-1) ?? null;
}
