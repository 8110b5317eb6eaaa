/** The one place that knows how the core is reached: Electron's preload, a WebSocket to `serve`, or a test's fake. */
import type { TrancheApi } from '../model/ipc.ts';
import { connectToServe } from './api-serve.ts';

declare global {
  interface Window {
    readonly tranche?: TrancheApi;
    readonly __trancheFake?: TrancheApi;
  }
}

/** Called when the way to the core itself breaks or comes back; only `serve` can lose it. */
export type LinkListener = (problem: string | null) => void;

export function openApi(onLink: LinkListener): TrancheApi {
  return window.tranche ?? window.__trancheFake ?? connectToServe(onLink);
}
