/** One thing that the palette finds and runs. */
import type { Searchable } from './search.ts';

export interface PaletteItem extends Searchable {
  readonly hint: string;
  readonly key: string | null;
  /** Owner whose swatch stands before the title. */
  readonly owner: string | null;
  readonly refusal: string | null;
  readonly run: () => void;
}

export const item = (
  id: string,
  group: string,
  title: string,
  run: () => void,
  more: Partial<Omit<PaletteItem, 'id' | 'group' | 'title' | 'run'>> = {},
): PaletteItem => ({
  id,
  group,
  title,
  run,
  also: '',
  hint: '',
  key: null,
  owner: null,
  refusal: null,
  ...more,
});
