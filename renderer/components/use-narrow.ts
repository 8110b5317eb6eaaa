/** The window is small: the same line as in compact.css. */
import { useSyncExternalStore } from 'react';

const query = matchMedia('(max-width: 1279px), (max-height: 799px)');

function listen(onChange: () => void): () => void {
  query.addEventListener('change', onChange);
  return () => query.removeEventListener('change', onChange);
}

export const useNarrow = (): boolean => useSyncExternalStore(listen, () => query.matches);
