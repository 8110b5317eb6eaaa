/** Whether a chart is in sight, and when the colours around it change: both come from outside React. */

export interface Sight {
  /** What nobody sees is not drawn. */
  isSeen(): boolean;
  stop(): void;
}

export function watchSight(
  element: HTMLElement,
  on: {
    /** It came into sight; asked whether it is seen, it says so by then. */
    readonly seen: () => void;
    readonly recoloured: () => void;
  },
): Sight {
  let inSight = true;
  const seen = new IntersectionObserver((entries) => {
    inSight = entries.at(-1)?.isIntersecting ?? true;
    if (inSight) on.seen();
  });
  const marked = new MutationObserver(on.recoloured);
  seen.observe(element);
  marked.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] });
  return {
    isSeen: () => inSight && document.visibilityState === 'visible',
    stop() {
      seen.disconnect();
      marked.disconnect();
    },
  };
}
