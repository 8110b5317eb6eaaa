/** The one place that knows how the core is reached: Electron's preload, a WebSocket to `serve`, or a test's fake. */
import type { CoreEvent, PreloadApi, TrancheApi } from '../model/ipc.ts';
import { connectToServe } from './api-serve.ts';
import type { LinkListener } from './api-serve.ts';

declare global {
  interface Window {
    readonly tranche?: PreloadApi;
    readonly __trancheFake?: TrancheApi;
  }
}

/** Each event is parsed once, whoever listens, and told in the order in which they came. */
function overPreload(preload: PreloadApi): TrancheApi {
  const listeners = new Set<(event: CoreEvent) => void>();
  preload.onEventText((text) => {
    const event = JSON.parse(text) as CoreEvent;
    for (const listener of listeners) listener(event);
  });
  return {
    transport: preload.transport,
    platform: preload.platform,
    appVersion: preload.appVersion,
    request: (channel, args) => preload.request(channel, args),
    copyText: (text) => preload.copyText(text),
    onEvent(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

export function openApi(onLink: LinkListener): TrancheApi {
  if (window.tranche !== undefined) return overPreload(window.tranche);
  return window.__trancheFake ?? connectToServe(onLink);
}
