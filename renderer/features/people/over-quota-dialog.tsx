/** An edit that takes somebody beyond what they may hold: refused by the agent, done only when that is meant. */
import type { ReactElement } from 'react';
import { AskDialog } from '../../components/dialog.tsx';

export function OverQuotaDialog(props: {
  /** The agent's sentence: who holds what, and what is allowed. */
  readonly message: string;
  readonly answer: (overQuota: boolean) => void;
}): ReactElement {
  const { message, answer } = props;
  return (
    <AskDialog
      title="Go over the quota?"
      onCancel={() => answer(false)}
      verb="Do it over the quota"
      onSubmit={() => answer(true)}
    >
      <p>{message}</p>
      <p className="small two">The audit says that it was over the quota, and by whom.</p>
    </AskDialog>
  );
}
