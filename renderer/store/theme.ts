/** Which of the three looks is shown: the chosen one, or what the desktop asks for. The stylesheet goes by `data-theme`. */
export type Theme = 'light' | 'dark' | 'contrast';

/** The last that holds wins. */
const WISHES: readonly (readonly [query: string, theme: Theme])[] = [
  ['(prefers-color-scheme: dark)', 'dark'],
  ['(prefers-contrast: more)', 'contrast'],
];

/** Pure. */
export const wishedTheme = (holds: (query: string) => boolean): Theme =>
  WISHES.findLast(([query]) => holds(query))?.[1] ?? 'light';

let chosen: Theme | 'system' = 'system';

function show(): void {
  document.documentElement.dataset['theme'] =
    chosen === 'system' ? wishedTheme((query) => matchMedia(query).matches) : chosen;
}

export function chooseTheme(theme: Theme | 'system'): void {
  chosen = theme;
  show();
}

/** From now on a wish of the desktop that changes is followed, unless one is chosen. */
export function followDesktop(): void {
  for (const [query] of WISHES) matchMedia(query).addEventListener('change', show);
}
