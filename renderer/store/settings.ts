/** What the user chose once and for all: look, notices, the tray. Kept between starts; applied to the page at once. */
import { z } from 'zod';
import { create } from 'zustand';
import { readStored, writeStored } from './stored.ts';
import { chooseTheme, followDesktop } from './theme.ts';

const STORE_KEY = 'tranche.settings';

export const THEMES = ['system', 'light', 'dark', 'contrast'] as const;
export const DENSITIES = ['comfortable', 'compact'] as const;
export const MOTIONS = ['system', 'reduced'] as const;
export const NOTICES = [
  'gpuFree',
  'sliceChanged',
  'denied',
  'hostLost',
  'fault',
  'hot',
  'idle',
  'jobEnded',
] as const;
export type NoticeKind = (typeof NOTICES)[number];

const schema = z.object({
  theme: z.enum(THEMES).catch('system'),
  density: z.enum(DENSITIES).catch('comfortable'),
  motion: z.enum(MOTIONS).catch('system'),
  notices: z.object({
    gpuFree: z.boolean().catch(false),
    sliceChanged: z.boolean().catch(true),
    denied: z.boolean().catch(true),
    hostLost: z.boolean().catch(true),
    fault: z.boolean().catch(true),
    hot: z.boolean().catch(true),
    idle: z.boolean().catch(false),
    jobEnded: z.boolean().catch(true),
  }),
  noticesPaused: z.boolean().catch(false),
  tray: z.boolean().catch(false),
  /** After this long without GPU time a slice is called idle. */
  /** From here on a GPU is called hot. */
  hotCelsius: z.number().int().min(40).max(120).catch(90),
  /** Commands on bare letters; off for those whom they get in the way. */
  letterKeys: z.boolean().catch(true),
  /** Keys of the user’s own, by command; an empty text takes the keys away. */
  keys: z.record(z.string().max(40), z.string().max(40)).catch({}),
  idleMinutes: z.number().int().min(1).max(1440).catch(10),
  /** What comes in a terminal is read out by screen readers. */
  terminalReader: z.boolean().catch(false),
});
export type Settings = z.infer<typeof schema>;

export const DEFAULTS: Settings = {
  theme: 'system',
  density: 'comfortable',
  motion: 'system',
  notices: {
    gpuFree: false,
    sliceChanged: true,
    denied: true,
    hostLost: true,
    fault: true,
    hot: true,
    idle: false,
    jobEnded: true,
  },
  noticesPaused: false,
  tray: false,
  hotCelsius: 90,
  letterKeys: true,
  keys: {},
  idleMinutes: 10,
  terminalReader: false,
};

export const useSettings = create<Settings>(() => readStored(STORE_KEY, schema, DEFAULTS));

export function changeSettings(change: Partial<Settings>): void {
  useSettings.setState(change);
  writeStored(STORE_KEY, useSettings.getState());
}

export const toggleNoticesPaused = (): void =>
  changeSettings({ noticesPaused: !useSettings.getState().noticesPaused });

/** The stylesheet does the rest; charts hear of the change by the attribute. */
function apply({ theme, density, motion }: Settings): void {
  const { dataset } = document.documentElement;
  chooseTheme(theme);
  dataset['density'] = density;
  dataset['motion'] = motion;
}

export function startSettings(): void {
  apply(useSettings.getState());
  useSettings.subscribe(apply);
  followDesktop();
}
