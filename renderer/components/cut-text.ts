/**
 * What is cut off for want of room is told whole when the pointer comes to it, wherever it stands: places that may cut
 * text need not think of it. Where somebody has said something else in a title, that stays.
 */

/** So far up from what the pointer is over: a word, its mark, its cell. */
const LEVELS = 4;

/** Text of ours is cut with an ellipsis or not at all. */
function cutAround(target: Element): HTMLElement | null {
  let at: Element | null = target;
  for (let level = 0; level < LEVELS && at instanceof HTMLElement; level += 1, at = at.parentElement) {
    // Of ours: renewed or taken back. Of somebody else: it is said already.
    if (at.title !== '' && at.dataset['cut'] === undefined) return null;
    const isText = [...at.childNodes].some(({ nodeType }) => nodeType === Node.TEXT_NODE);
    const isCut = at.scrollWidth > at.clientWidth && getComputedStyle(at).textOverflow === 'ellipsis';
    if (isCut || at.dataset['cut'] !== undefined) return at;
    if (at !== target && isText) return null;
  }
  return null;
}

export function tellCut(event: { readonly target: EventTarget | null }): void {
  const cut = event.target instanceof Element ? cutAround(event.target) : null;
  if (cut === null) return;
  if (cut.scrollWidth > cut.clientWidth) {
    cut.dataset['cut'] = '';
    cut.title = (cut.textContent ?? '').trim();
  } else {
    delete cut.dataset['cut'];
    cut.removeAttribute('title');
  }
}
