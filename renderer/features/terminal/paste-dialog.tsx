/** Several lines into a shell that would run each as it comes: shown first, as text. */
import type { ReactElement } from 'react';
import { closeDialog } from '../../store/ui.ts';
import { AskDialog } from '../../components/dialog.tsx';
import { pasteHeld } from '../../acts/terminals.ts';

/** Of what is pasted so much is shown. */
const SHOWN_CHARS = 2000;

export function PasteDialog(props: {
  readonly terminalId: string;
  readonly text: string;
  readonly lines: number;
}): ReactElement {
  const { terminalId, text, lines } = props;
  return (
    <AskDialog
      title={`Paste ${String(lines)} lines?`}
      onCancel={closeDialog}
      keep="Do not paste"
      verb={`Paste ${String(lines)} lines`}
      onSubmit={() => {
        closeDialog();
        pasteHeld(terminalId);
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
