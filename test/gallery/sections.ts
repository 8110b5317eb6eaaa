/** The whole gallery, in the order of its page; and what does not stand in it. */
import { BUTTONS, FIELDS } from './basics.tsx';
import { CHARTS } from './charts.tsx';
import { DIALOGS, MENUS, MESSAGES } from './floating.tsx';
import { BARS, CARDS, NOTICES } from './gpus.tsx';
import type { GallerySection } from './state.ts';
import { TABLES } from './tables.tsx';

export const SECTIONS: readonly GallerySection[] = [
  BUTTONS,
  FIELDS,
  MENUS,
  DIALOGS,
  MESSAGES,
  TABLES,
  CHARTS,
  BARS,
  NOTICES,
  CARDS,
];
