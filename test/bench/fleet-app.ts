/** What a benchmark does to the app with a fleet: bring all hosts live, click on a thing. */
import { setTimeout as delay } from 'node:timers/promises';
import type { BareApp } from './bare-app.ts';

const LIVE_TIMEOUT_MS = 60_000;

export async function bringLive(app: BareApp, names: readonly string[]): Promise<void> {
  const ids = JSON.stringify(names.map((name) => `ssh:${name}`));
  await app.page(
    `(async () => { for (const hostId of ${ids}) await window.tranche.request('host:connect', { hostId }); })()`,
  );
  const deadline = Date.now() + LIVE_TIMEOUT_MS;
  for (;;) {
    const states = await app.page<readonly string[]>(
      "window.tranche.request('fleet:get', {}).then((fleet) => fleet.value.hosts.map(({ name, connection }) => `${name} ${connection.kind}`))",
    );
    const waiting = states.filter((state) => !state.endsWith(' live'));
    if (states.length >= names.length && waiting.length === 0) return;
    if (Date.now() > deadline)
      throw new Error(`not live within ${String(LIVE_TIMEOUT_MS / 1000)} s: ${waiting.join(', ')}`);
    await delay(100);
  }
}

/** Clicks where exactly this text stands, on whatever lies on top there, as a hand would. */
export async function click(app: BareApp, text: string): Promise<void> {
  const found = await app.page<boolean>(`(() => {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      if (node.textContent !== ${JSON.stringify(text)}) continue;
      node.parentElement.scrollIntoView({ block: 'nearest' });
      const { left, top, width, height } = node.parentElement.getBoundingClientRect();
      document.elementFromPoint(left + width / 2, top + height / 2).click();
      return true;
    }
    return false;
  })()`);
  if (!found) throw new Error(`“${text}” is not on the screen`);
}
