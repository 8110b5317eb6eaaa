/** On which hosts a login shell was seen to find `tranche`. Kept on this computer. */
import { z } from 'zod';
import { create } from 'zustand';
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
