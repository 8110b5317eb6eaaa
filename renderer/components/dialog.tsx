/** A native modal dialog: the browser traps focus and gives it back; Esc cancels. */
import { useEffect, useId, useRef } from 'react';
import type { ReactElement, ReactNode } from 'react';

export interface DialogProps {
  readonly title: string;
  readonly children: ReactNode;
  readonly onCancel: () => void;
  /** Enter in a field, or the primary button. */
  readonly onSubmit: () => void;
  readonly actions: ReactNode;
  readonly wide?: boolean;
}

export function Dialog({ title, children, onCancel, onSubmit, actions, wide }: DialogProps): ReactElement {
  const ref = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  useEffect(() => {
    const dialog = ref.current;
    const before = document.activeElement;
    if (dialog !== null && !dialog.open) dialog.showModal();
    // The safe button or the first field, not whatever happens to come first.
    dialog?.querySelector<HTMLElement>('[data-first-focus]')?.focus();
    return () => {
      dialog?.close();
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={ref}
      className={wide === true ? 'sheet wide-sheet' : 'sheet'}
      aria-labelledby={titleId}
      onCancel={(event) => {
        event.preventDefault();
        onCancel();
      }}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          onSubmit();
        }}
      >
        {/* Without one, Enter in a form of several fields does nothing. */}
        <button type="submit" hidden tabIndex={-1} />
        <h2 id={titleId}>{title}</h2>
        {children}
        <div className="sheet-actions">{actions}</div>
      </form>
    </dialog>
  );
}
