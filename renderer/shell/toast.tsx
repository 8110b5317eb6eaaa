/** What was just done, with Undo while it can be taken back; or what went wrong, with its details to copy. */
import { useEffect } from 'react';
import type { ReactElement } from 'react';
import { copy } from '../store/ask.ts';
import { TOAST_MS, hideToast, useUi } from '../store/ui.ts';
import type { Toast as ToastData } from '../store/ui.ts';
import { Button, vars } from '../components/bits.tsx';
import { Icon } from '../components/icons.tsx';
import { useNow } from '../components/use-sample.ts';
import { undoEdit } from '../acts/edits.ts';
import { commandKey } from '../commands/menu-entries.ts';

export function Toast(): ReactElement | null {
  const toast = useUi((s) => s.toast);
  return toast === null ? null : <ShownToast key={toast.id} toast={toast} />;
}

function ShownToast({ toast }: { readonly toast: ToastData }): ReactElement {
  const { id, text, failure, undo, untilMs } = toast;
  const nowMs = useNow(250);
  const leftMs = Math.max(0, untilMs - nowMs);
  useEffect(() => {
    const timer = setTimeout(() => hideToast(id), TOAST_MS);
    return () => clearTimeout(timer);
  }, [id]);
  const detail =
    failure === null
      ? null
      : [failure.code, failure.message, failure.detail].filter((l) => l !== null).join('\n');
  return (
    <div
      className={failure === null ? 'toast' : 'toast is-failure'}
      style={vars({ '--left': leftMs / TOAST_MS })}
    >
      {failure !== null && <Icon name="warn" tone="bad" />}
      <span className={failure === null ? 'cut' : 'toast-text'} title={text}>
        {text}
      </span>
      {undo !== null && (
        <Button tight onClick={() => void undoEdit(undo)}>
          Undo <kbd>{commandKey('edit.undo')}</kbd>
        </Button>
      )}
      {detail !== null && (
        <Button tight onClick={() => void copy(detail, 'Details')}>
          Copy details
        </Button>
      )}
      <span className="small three toast-left">{Math.ceil(leftMs / 1000)} s</span>
      <Button kind="quiet" tight label="Close" onClick={() => hideToast(id)}>
        <Icon name="close" />
      </Button>
    </div>
  );
}
