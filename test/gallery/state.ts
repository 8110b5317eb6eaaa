/** What stands in the gallery: parts of the window, each in the states that it can be in. */
import type { ReactElement } from 'react';

export interface GalleryState {
  /** What is special about it: `refused`, `long name`. Unique in its section, and part of a file's name. */
  readonly name: string;
  readonly draw: () => ReactElement;
  /**
   * Has a page of its own: what lies over the whole window, or opens by a click, of which there is one at a time.
   * `opens`: what is done to what has `data-opens` before the picture, and what is typed then.
   */
  readonly alone?: { readonly opens: 'nothing' | 'click' | 'right-click'; readonly types?: string };
  /** Takes the whole width of the page instead of a cell. */
  readonly isWide?: true;
}

export interface GallerySection {
  /** Part of a file's name. */
  readonly name: string;
  readonly title: string;
  readonly states: readonly GalleryState[];
}

/** One picture: a section, or a state that has a page of its own. */
export interface Shot {
  /** Behind the `#` of the page's address. */
  readonly place: string;
  readonly alone: GalleryState['alone'] | null;
}

/** Pure. */
export const shotsOf = (sections: readonly GallerySection[]): readonly Shot[] =>
  sections.flatMap((section) => [
    ...(section.states.some(({ alone }) => alone === undefined)
      ? [{ place: placeOf(section), alone: null }]
      : []),
    ...section.states.flatMap((state) =>
      state.alone === undefined ? [] : [{ place: placeOf(section, state), alone: state.alone }],
    ),
  ]);

/** Where a section, or a state that is alone, is on the page: behind the `#` of its address. */
export const placeOf = (section: GallerySection, state?: GalleryState): string =>
  state === undefined ? section.name : `${section.name}/${state.name.replaceAll(' ', '-')}`;
