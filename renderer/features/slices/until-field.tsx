/** The end of a slice, in the words people use; any other time through its own sheet. */
import type { ReactElement } from 'react';
import type { HostSnapshot, Slice } from '../../../model/model.ts';
import { ChoiceField } from '../../components/field.tsx';
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
    <ChoiceField
      label="Until"
      value={slice.expiresAtMs === null ? 'none' : NOW}
      choices={[
        ...(slice.expiresAtMs === null ? [] : [[NOW, untilText(slice.expiresAtMs, Date.now())] as const]),
        ...choices.map(({ key, label }) => [key, label] as const),
        [OTHER, 'Another time…'],
      ]}
      refusal={refusal}
      onPick={pick}
    />
  );
}
