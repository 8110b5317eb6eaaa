/** A list of named things, kept between starts: one of the same name is replaced, and beyond the cap the oldest goes. */
import { z } from 'zod';
import { create } from 'zustand';
import type { StoreApi, UseBoundStore } from 'zustand';
import { readStored, writeStored } from './stored.ts';

export interface NamedList<T> {
  readonly use: UseBoundStore<StoreApi<{ readonly items: readonly T[] }>>;
  readonly keep: (item: T) => void;
  readonly forget: (name: string) => void;
}

export function namedList<T extends { readonly name: string }>(
  storeKey: string,
  schema: z.ZodType<T>,
  itemsMax: number,
): NamedList<T> {
  const use = create<{ readonly items: readonly T[] }>(() => ({
    items: readStored(storeKey, z.array(schema).max(itemsMax), []),
  }));
  const others = (name: string): readonly T[] => use.getState().items.filter((one) => one.name !== name);
  const put = (items: readonly T[]): void => {
    use.setState({ items });
    writeStored(storeKey, items);
  };
  return {
    use,
    keep: (item) => put([...others(item.name), item].slice(-itemsMax)),
    forget: (name) => put(others(name)),
  };
}
