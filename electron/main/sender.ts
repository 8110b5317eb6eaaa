/** Who may ask: the top frame of our own page, in a window that we made. */
import { ORIGIN } from './bundle-path.ts';

export interface Sender {
  readonly frameUrl: string | null;
  readonly isTopFrame: boolean;
  readonly isOurWindow: boolean;
}

export function isTrusted(sender: Sender): boolean {
  if (sender.frameUrl === null || !sender.isTopFrame || !sender.isOurWindow) return false;
  try {
    const { protocol, host } = new URL(sender.frameUrl);
    return `${protocol}//${host}` === ORIGIN;
  } catch {
    return false;
  }
}
