/** What was typed last, by host and slice. Kept on this computer. */
import { z } from 'zod';
import type { Slice } from '../../model/slice.ts';
import type { HostSnapshot } from '../../model/model.ts';
import { readStored, writeStored } from './stored.ts';

const STORE_KEY = 'tranche.commands';
const KEPT_MAX = 50;
const schema = z.array(
  z.object({ key: z.string().max(600), command: z.string().max(4000), cwd: z.string().max(1000) }),
);
const keyOf = (host: HostSnapshot, slice: Slice): string => `${host.name}\n${slice.name}`;

/** The last command in this slice, else the last one anywhere on this host. */
export function lastCommand(host: HostSnapshot, slice: Slice): { command: string; cwd: string } {
  const all = readStored(STORE_KEY, schema, []);
  const found =
    all.find((one) => one.key === keyOf(host, slice)) ??
    all.find((one) => one.key.startsWith(`${host.name}\n`));
  return found ?? { command: '', cwd: '' };
}

export function rememberCommand(host: HostSnapshot, slice: Slice, command: string, cwd: string): void {
  const key = keyOf(host, slice);
  const others = readStored(STORE_KEY, schema, []).filter((one) => one.key !== key);
  writeStored(STORE_KEY, [{ key, command, cwd }, ...others].slice(0, KEPT_MAX));
}
