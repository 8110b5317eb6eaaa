/** The end of a slice, in the words people use; any other time through its own sheet. */
import type { ReactElement } from 'react';
import type { HostSnapshot, Slice } from '../../../model/model.ts';
import { SelectField } from '../../components/field.tsx';
import { openDialog } from '../../store/ui.ts';
import { changeSlice } from './slice-actions.ts';
import { untilChoices, untilText } from './until.ts';

const NOW = 'now';
const OTHER = 'other';

export function UntilField(props: {
  readonly host: HostSnapshot;
  readonly slice: Slice;
  readonly refusal: string | null;
}): ReactElement {
  const { host, slice, refusal } = props;
  const choices = untilChoices(new Date());
  const pick = (key: string): void => {
    if (key === OTHER) openDialog({ kind: 'until', hostId: host.id, sliceId: slice.id });
    const choice = choices.find((one) => one.key === key);
    if (choice !== undefined && choice.atMs !== slice.expiresAtMs) {
      void changeSlice(host, slice, { expiresAtMs: choice.atMs });
    }
  };
  return (
    <SelectField
      label="Until"
      value={slice.expiresAtMs === null ? 'none' : NOW}
      refusal={refusal}
      onPick={pick}
    >
      {slice.expiresAtMs !== null && <option value={NOW}>{untilText(slice.expiresAtMs, Date.now())}</option>}
      {choices.map((choice) => (
        <option key={choice.key} value={choice.key}>
          {choice.label}
        </option>
      ))}
      <option value={OTHER}>Another time…</option>
    </SelectField>
  );
}
