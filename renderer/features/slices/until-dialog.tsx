/** The end of a slice at any time: from then on it admits nothing new; what is held stays. */
import { useState } from 'react';
import type { ReactElement } from 'react';
import type { HostSnapshot, Slice } from '../../../model/model.ts';
import { Button } from '../../components/bits.tsx';
import { Dialog } from '../../components/dialog.tsx';
import { openDialog } from '../../store/ui.ts';
import { changeSlice } from './slice-actions.ts';
import { fromLocalInput, nextWeekday, toLocalInput, untilText } from './until.ts';

const close = (): void => openDialog(null);
const FRIDAY = 5;
const EVENING_HOUR = 18;

export function UntilDialog(props: { readonly host: HostSnapshot; readonly slice: Slice }): ReactElement {
  const { host, slice } = props;
  const [typed, setTyped] = useState(() =>
    toLocalInput(slice.expiresAtMs ?? nextWeekday(new Date(), FRIDAY, EVENING_HOUR).getTime()),
  );
  const atMs = fromLocalInput(typed);
  const problem =
    atMs === null ? 'Choose a day and a time.' : atMs <= Date.now() ? 'That time has passed already.' : null;
  const submit = (): void => {
    if (atMs === null || problem !== null) return;
    close();
    if (atMs !== slice.expiresAtMs) void changeSlice(host, slice, { expiresAtMs: atMs });
  };
  return (
    <Dialog
      title={`Until when does ${slice.name} last?`}
      onCancel={close}
      onSubmit={submit}
      actions={
        <>
          <Button onClick={close}>Cancel</Button>
          <Button kind="primary" onClick={submit} refusal={problem}>
            Set end
          </Button>
        </>
      }
    >
      <label className="field">
        <span>Ends, in the time of this computer</span>
        <span className="in">
          <input
            type="datetime-local"
            data-first-focus
            value={typed}
            onChange={(event) => setTyped(event.target.value)}
          />
        </span>
      </label>
      <p className={`small hold ${problem === null ? 'two' : 'bad'}`} role="status">
        {problem ??
          `From ${untilText(atMs, Date.now())} on nothing new is admitted; running programs keep what they hold.`}
      </p>
    </Dialog>
  );
}
