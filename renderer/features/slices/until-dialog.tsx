/** The end of a slice at any time: from then on it admits nothing new; what is held stays. */
import { useState } from 'react';
import type { ReactElement } from 'react';
import { nextWeekday } from '../../domain/until.ts';
import { fromLocalInput, toLocalInput, untilText } from '../../domain/when.ts';
import type { Picked } from '../../store/dialogs.ts';
import { useHostSlices } from '../../store/host-slices.ts';
import { closeDialog } from '../../store/ui.ts';
import { FormDialog, Verdict } from '../../components/dialog.tsx';
import { TypedField } from '../../components/field.tsx';
import { endSlices } from '../../acts/slices.ts';

const FRIDAY = 5;
const EVENING_HOUR = 18;

export function UntilDialog(props: { readonly slices: readonly Picked[] }): ReactElement {
  const slices = useHostSlices(props.slices);
  const [first] = slices;
  const [typed, setTyped] = useState(() =>
    toLocalInput(first?.slice.expiresAtMs ?? nextWeekday(new Date(), FRIDAY, EVENING_HOUR).getTime()),
  );
  const atMs = fromLocalInput(typed);
  const problem =
    atMs === null ? 'Choose a day and a time.' : atMs <= Date.now() ? 'That time has passed already.' : null;
  const submit = (): void => {
    if (atMs === null || problem !== null) return;
    closeDialog();
    void endSlices(
      slices.filter(({ slice }) => slice.expiresAtMs !== atMs),
      atMs,
    );
  };
  return (
    <FormDialog
      title={
        slices.length === 1
          ? `Until when does ${first?.slice.name ?? ''} last?`
          : `Until when do ${String(slices.length)} slices last?`
      }
      onCancel={closeDialog}
      verb="Set end"
      onSubmit={submit}
      refusal={problem}
    >
      <TypedField
        label="Ends, in the time of this computer"
        value={typed}
        onType={setTyped}
        selects={false}
        more={{ type: 'datetime-local', 'data-first-focus': true }}
      />
      <Verdict problem={problem}>
        {`From ${untilText(atMs)} on nothing new is admitted; running programs keep what they hold.`}
      </Verdict>
    </FormDialog>
  );
}
