/** On which hosts a login shell was seen to find `tranche`. Kept on this computer. */
import { z } from 'zod';
import { create } from 'zustand';
import type { Slice } from '../../model/slice.ts';
import type { HostSnapshot } from '../../model/model.ts';
import { readStored, writeStored } from './stored.ts';

const STORE_KEY = 'tranche.linked';
const HOSTS_MAX = 500;
const schema = z.array(z.string().max(512)).max(HOSTS_MAX);

export const useLinked = create<{ readonly hosts: readonly string[] }>(() => ({
  hosts: readStored(STORE_KEY, schema, []),
}));

export function setLinked(hostId: string, isProven: boolean): void {
  const others = useLinked.getState().hosts.filter((one) => one !== hostId);
  const hosts = isProven ? [...others, hostId].slice(-HOSTS_MAX) : others;
  useLinked.setState({ hosts });
  writeStored(STORE_KEY, hosts);
}

/**
 * `tranche` as it can be called anywhere on the host: by its name only where a login shell was seen to find it. Jobs and
 * terminals of this window have it in their PATH either way.
 */
export function programOn(host: HostSnapshot, linked = useLinked.getState().hosts): string {
  const { connection } = host;
  const full =
    connection.kind === 'live' || connection.kind === 'stale' ? connection.agent.commandPath : null;
  return full === null || linked.includes(host.id) ? 'tranche' : full;
}

export const runCommandOf = (host: HostSnapshot, slice: Slice): string =>
  `${programOn(host)} run --slice ${slice.name} -- python train.py`;
