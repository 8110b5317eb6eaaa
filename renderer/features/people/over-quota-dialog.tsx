/** An edit that takes somebody beyond what they may hold: refused by the agent, done only when that is meant. */
import type { ReactElement } from 'react';
import { Button } from '../../components/bits.tsx';
import { Dialog } from '../../components/dialog.tsx';

export function OverQuotaDialog(props: {
  /** The agent's sentence: who holds what, and what is allowed. */
  readonly message: string;
  readonly answer: (overQuota: boolean) => void;
}): ReactElement {
  const { message, answer } = props;
  const leave = (): void => answer(false);
  return (
    <Dialog
      title="Go over the quota?"
      onCancel={leave}
      onSubmit={leave}
      actions={
        <>
          <Button onClick={leave} autoFocus>
            Cancel
          </Button>
          <Button kind="danger" onClick={() => answer(true)}>
            Do it over the quota
          </Button>
        </>
      }
    >
      <p>{message}</p>
      <p className="small two">The audit says that it was over the quota, and by whom.</p>
    </Dialog>
  );
}
