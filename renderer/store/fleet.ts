/** Hosts as the core last pushed them. Snapshots replace; nothing is edited in place and nothing is guessed. */
import { create } from 'zustand';
import type { FleetSnapshot, HostId, HostSnapshot } from '../../model/model.ts';

export interface FleetState {
  readonly loaded: boolean;
  readonly order: readonly HostId[];
  readonly hosts: Readonly<Record<HostId, HostSnapshot>>;
  readonly demo: FleetSnapshot['demo'];
  readonly configNotes: readonly string[];
  /** Why the core itself cannot be reached; null while it can. */
  readonly linkProblem: string | null;
}

export const useFleet = create<FleetState>(() => ({
  loaded: false,
  order: [],
  hosts: {},
  demo: { available: false, running: false, note: null },
  configNotes: [],
  linkProblem: null,
}));

export function putFleet(snapshot: FleetSnapshot): void {
  useFleet.setState({
    loaded: true,
    order: snapshot.hosts.map((host) => host.id),
    hosts: Object.fromEntries(snapshot.hosts.map((host) => [host.id, host])),
    demo: snapshot.demo,
    configNotes: snapshot.configNotes,
  });
}

export function putHost(host: HostSnapshot): void {
  useFleet.setState((state) => ({
    hosts: { ...state.hosts, [host.id]: host },
    order: state.order.includes(host.id) ? state.order : [...state.order, host.id],
  }));
}

export function dropHost(hostId: HostId): void {
  useFleet.setState((state) => {
    const { [hostId]: _gone, ...hosts } = state.hosts;
    return { hosts, order: state.order.filter((id) => id !== hostId) };
  });
}

export const useHost = (hostId: HostId | null): HostSnapshot | null =>
  useFleet((state) => (hostId === null ? null : (state.hosts[hostId] ?? null)));

export const hostById = (hostId: HostId): HostSnapshot | null => useFleet.getState().hosts[hostId] ?? null;
