/** Several lines into a shell that would run each as it comes: shown first, as text. */
import type { ReactElement } from 'react';
import { AskDialog } from '../../components/dialog.tsx';
import { closeDialog } from '../../store/ui.ts';

/** Of what is pasted so much is shown. */
const SHOWN_CHARS = 2000;

export function PasteDialog(props: {
  readonly text: string;
  readonly lines: number;
  readonly paste: () => void;
}): ReactElement {
  const { text, lines, paste } = props;
  return (
    <AskDialog
      title={`Paste ${String(lines)} lines?`}
      onCancel={closeDialog}
      keep="Do not paste"
      verb={`Paste ${String(lines)} lines`}
      onSubmit={() => {
        closeDialog();
        paste();
      }}
      kind="primary"
    >
      <p className="small two">
        What runs there does not tell pasting from typing: each line is run as it comes.
      </p>
      <pre className="paste-text" tabIndex={0} aria-label="What would be pasted">
        {text.length > SHOWN_CHARS ? `${text.slice(0, SHOWN_CHARS)}…` : text}
      </pre>
    </AskDialog>
  );
}
