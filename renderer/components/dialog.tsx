/** A native modal dialog: the browser traps focus and gives it back; Esc cancels. */
import { useEffect, useId, useRef } from 'react';
import type { ReactElement, ReactNode } from 'react';
import { Button } from './bits.tsx';

export interface DialogProps {
  readonly title: string;
  readonly children: ReactNode;
  readonly onCancel: () => void;
  /** Enter in a field, or the primary button. */
  readonly onSubmit: () => void;
  readonly actions: ReactNode;
  readonly wide?: boolean;
  /** What starts something from a text of several lines: Enter alone is a line of it, and elsewhere nothing. */
  readonly byModEnter?: boolean;
}

export function Dialog(props: DialogProps): ReactElement {
  const { title, children, onCancel, onSubmit, actions, wide, byModEnter = false } = props;
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
      onKeyDown={(event) => {
        if (!byModEnter || event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
        event.preventDefault();
        if (!event.repeat) onSubmit();
      }}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (!byModEnter) onSubmit();
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

interface Answered {
  readonly title: string;
  readonly children?: ReactNode;
  /** Leaving it: Esc, and the button that says so. */
  readonly onCancel: () => void;
  /** What is done, on the button that does it. */
  readonly verb: string;
  readonly onSubmit: () => void;
  readonly kind?: 'primary' | 'danger';
  /** Why it cannot be done now; null or left out when it can. */
  readonly refusal?: string | null;
  readonly wide?: boolean;
  readonly byModEnter?: boolean;
  /** On the button, after what it does. */
  readonly hint?: string;
}

/** A form: Enter in a field does what the last button does, and neither does while it is refused. */
export function FormDialog(props: Answered): ReactElement {
  const submit = (): void => {
    if ((props.refusal ?? null) === null) props.onSubmit();
  };
  return (
    <Dialog {...props} onSubmit={submit} actions={<Answers kind="primary" keep="Cancel" {...props} />}>
      {props.children}
    </Dialog>
  );
}

/** A question before what cannot simply be taken back: leaving has the focus, and is what Enter does. */
export function AskDialog(props: Answered & { readonly keep?: string }): ReactElement {
  return (
    <Dialog
      {...props}
      onSubmit={props.onCancel}
      actions={<Answers kind="danger" keep="Cancel" keepFirst {...props} />}
    >
      {props.children}
    </Dialog>
  );
}

function Answers(
  props: Omit<Answered, 'title' | 'children' | 'wide'> & {
    readonly kind: 'primary' | 'danger';
    readonly keep: string;
    /** Whether leaving has the focus first. */
    readonly keepFirst?: boolean;
  },
): ReactElement {
  const { onCancel, keep, keepFirst, kind, onSubmit, refusal = null, verb, hint } = props;
  return (
    <>
      <Button onClick={onCancel} autoFocus={keepFirst === true}>
        {keep}
      </Button>
      <Button kind={kind} onClick={onSubmit} refusal={refusal}>
        {verb}
        {hint !== undefined && (
          <>
            {' '}
            <kbd aria-hidden="true">{hint}</kbd>
          </>
        )}
      </Button>
    </>
  );
}

/** The last line of a form: what is wrong with it, else what it will do. It keeps its place while there is neither. */
export function Verdict(props: {
  readonly problem?: string | null;
  readonly tone?: 'two' | 'warn' | 'bad';
  readonly children?: ReactNode;
}): ReactElement {
  const { problem = null, tone = 'two', children } = props;
  return (
    <p className={`small hold ${problem === null ? tone : 'bad'}`} role="status">
      {problem ?? children}
    </p>
  );
}
