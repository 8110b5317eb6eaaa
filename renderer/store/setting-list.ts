/** Every setting, with the words it is found by: the settings sheet and the palette show the same list. */
import type { NoticeKind } from './settings.ts';

export interface SettingSpec {
  readonly id:
    | 'theme'
    | 'density'
    | 'motion'
    | 'tray'
    | 'idle'
    | 'hot'
    | 'letters'
    | 'terminal-reader'
    | `notice-${NoticeKind}`;
  readonly title: string;
  readonly group: 'Look' | 'Notices' | 'Window' | 'Slices';
  readonly about: string;
  readonly words: string;
}

export const SETTINGS: readonly SettingSpec[] = [
  {
    id: 'theme',
    title: 'Theme',
    group: 'Look',
    about: 'Follows the desktop, its high contrast included, until another is chosen.',
    words: 'dark light contrast colour color',
  },
  {
    id: 'density',
    title: 'Density',
    group: 'Look',
    about: 'Compact shows more GPUs at once.',
    words: 'compact comfortable size rows',
  },
  {
    id: 'motion',
    title: 'Motion',
    group: 'Look',
    about: 'Reduced shows every change at once.',
    words: 'animation reduced accessibility',
  },
  {
    id: 'notice-gpuFree',
    title: 'Notice: a GPU is free',
    group: 'Notices',
    about: 'A GPU on which somebody worked has nothing in use any more.',
    words: 'notification idle available',
  },
  {
    id: 'notice-sliceChanged',
    title: 'Notice: my slice was changed',
    group: 'Notices',
    about: 'Somebody else resized, renamed, gave away or deleted a slice of yours.',
    words: 'notification resize owner',
  },
  {
    id: 'notice-denied',
    title: 'Notice: memory was denied',
    group: 'Notices',
    about: 'A program in a slice of yours asked for more than its limit.',
    words: 'notification out of memory oom limit',
  },
  {
    id: 'notice-hostLost',
    title: 'Notice: a host is lost',
    group: 'Notices',
    about: 'The connection to a host broke, or its key changed.',
    words: 'notification disconnect ssh',
  },
  {
    id: 'notice-fault',
    title: 'Notice: a GPU reported an error',
    group: 'Notices',
    about: 'The driver told of an error of a GPU: of its memory, its link, or a program on it.',
    words: 'notification xid ecc nvlink hardware fault',
  },
  {
    id: 'notice-hot',
    title: 'Notice: a GPU is hot',
    group: 'Notices',
    about: 'Its temperature has reached the figure below.',
    words: 'notification temperature heat celsius',
  },
  {
    id: 'notice-idle',
    title: 'Notice: my slice is idle',
    group: 'Notices',
    about: 'A slice of yours has had no GPU time for as long as the figure below.',
    words: 'notification held unused clock',
  },
  {
    id: 'notice-jobEnded',
    title: 'Notice: my job ended',
    group: 'Notices',
    about: 'A job of yours is done, failed, was stopped or lost; also while the host was away.',
    words: 'notification job done finished exit queue',
  },
  {
    id: 'hot',
    title: 'Called hot from',
    group: 'Slices',
    about: 'Degrees Celsius from which a GPU is marked and told of.',
    words: 'temperature heat threshold',
  },
  {
    id: 'letters',
    title: 'Single-letter keys',
    group: 'Window',
    about: 'Commands on bare letters and digits, such as N and G. The others stay.',
    words: 'keyboard shortcuts accessibility speech',
  },
  {
    id: 'idle',
    title: 'Called idle after',
    group: 'Slices',
    about: 'Minutes without GPU time after which a slice is said to be held but idle.',
    words: 'idle clock minutes unused',
  },
  {
    id: 'terminal-reader',
    title: 'Terminals for screen readers',
    group: 'Window',
    about: 'What comes in a terminal is read out, and its lines can be walked through.',
    words: 'accessibility screen reader shell console aria',
  },
  {
    id: 'tray',
    title: 'Tray',
    group: 'Window',
    about: 'Stays in the tray when the window is closed, with what is free on each host.',
    words: 'menu bar background close quit',
  },
];

/** Every word typed must stand somewhere in it: among so few, guessing would find too much. */
export function searchSettings(typed: string): readonly SettingSpec[] {
  const words = typed.toLowerCase().split(/\s+/);
  return SETTINGS.filter(({ title, about, words: more, group }) => {
    const text = `${title} ${about} ${more} ${group}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
}
