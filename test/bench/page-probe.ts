/**
 * What is injected into the page to time what is drawn. A thing counts as painted when the frame after its own begins:
 * by then its own was laid out, drawn and handed over. That is up to a frame (17 ms) too much, never too little.
 */
import type { BareApp } from './bare-app.ts';

const AFTER_PAINT = '(then) => requestAnimationFrame(() => requestAnimationFrame(then))';

/** Begins to time every event of these kinds, from its own time stamp, which is the system's for real input. */
export const timeEvents = (app: BareApp, kinds: readonly string[]): Promise<void> =>
  app.page(`(() => {
    const afterPaint = ${AFTER_PAINT};
    const probe = { times: [] };
    const listen = (event) => afterPaint(() => probe.times.push(performance.now() - event.timeStamp));
    for (const kind of ${JSON.stringify(kinds)}) addEventListener(kind, listen, { capture: true });
    probe.stop = () => {
      for (const kind of ${JSON.stringify(kinds)}) removeEventListener(kind, listen, { capture: true });
    };
    window.__probe = probe;
  })()`);

/** Ends it and gives the times in ms. */
export const timedEvents = (app: BareApp): Promise<readonly number[]> =>
  app.page('(() => { window.__probe.stop(); return window.__probe.times; })()');

/** Begins to note when each new value of an attribute was painted, in ms of this machine's clock. */
export const watchAttribute = (app: BareApp, selector: string, attribute: string): Promise<void> =>
  app.page(`(() => {
    const afterPaint = ${AFTER_PAINT};
    const element = document.querySelector(${JSON.stringify(selector)});
    if (element === null) throw new Error('there is no ' + ${JSON.stringify(selector)});
    const seen = [];
    const observer = new MutationObserver(() => {
      const value = element.getAttribute(${JSON.stringify(attribute)});
      afterPaint(() => seen.push({ value, atMs: Date.now() }));
    });
    observer.observe(element, { attributes: true, attributeFilter: [${JSON.stringify(attribute)}] });
    window.__watch = { seen, element, observer };
  })()`);

export interface Painted {
  readonly value: string;
  readonly atMs: number;
}

export const watchedAttribute = (app: BareApp): Promise<readonly Painted[]> =>
  app.page(`(() => {
    const { seen, element, observer } = window.__watch;
    observer.disconnect();
    if (!element.isConnected) throw new Error('what was watched has left the page');
    return seen;
  })()`);
