/** An edit that takes somebody beyond what they may hold: refused by the agent, done only when that is meant. */
import type { ReactElement } from 'react';
import { AskDialog } from '../../components/dialog.tsx';
import { answerOverQuota } from '../../acts/edits.ts';

export function OverQuotaDialog(props: {
  /** The agent's sentence: who holds what, and what is allowed. */
  readonly message: string;
}): ReactElement {
  return (
    <AskDialog
      title="Go over the quota?"
      onCancel={() => answerOverQuota(false)}
      verb="Do it over the quota"
      onSubmit={() => answerOverQuota(true)}
    >
      <p>{props.message}</p>
      <p className="small two">The audit says that it was over the quota, and by whom.</p>
    </AskDialog>
  );
}
