/** Which items were picked lately, newest first, over starts. */
import { z } from 'zod';
import { readStored, writeStored } from '../../store/stored.ts';

const STORE_KEY = 'tranche.recent';
const KEPT = 12;
const schema = z.array(z.string().max(700)).max(KEPT);

export const recentIds = (): readonly string[] => readStored(STORE_KEY, schema, []);

export function rememberPicked(id: string): void {
  writeStored(STORE_KEY, [id, ...recentIds().filter((known) => known !== id)].slice(0, KEPT));
}
