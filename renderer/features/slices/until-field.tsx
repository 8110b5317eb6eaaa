/** The end of a slice, in the words people use; any other time through its own sheet. */
import type { ReactElement } from 'react';
import { commonOf } from '../../domain/slice-edits.ts';
import type { HostSlice } from '../../domain/slice-edits.ts';
import { untilChoices } from '../../domain/until.ts';
import { untilText } from '../../domain/when.ts';
import { openDialog } from '../../store/ui.ts';
import { ChoiceField } from '../../components/field.tsx';
import { endSlices } from '../../acts/slices.ts';

const NOW = 'now';
const OTHER = 'other';
const MIXED = 'mixed';

export function UntilField(props: {
  /** One, or several that get the same end. */
  readonly slices: readonly HostSlice[];
  readonly refusal: string | null;
}): ReactElement {
  const { slices, refusal } = props;
  const end = commonOf(slices, ({ slice }) => slice.expiresAtMs);
  const choices = untilChoices(new Date());
  const pick = (key: string): void => {
    if (key === OTHER) {
      openDialog({
        kind: 'until',
        slices: slices.map(({ host, slice }) => ({ hostId: host.id, sliceId: slice.id })),
      });
    }
    const choice = choices.find((one) => one.key === key);
    if (choice !== undefined && choice.atMs !== end?.value) {
      void endSlices(slices, choice.atMs);
    }
  };
  return (
    <ChoiceField
      label="Until"
      value={end === null ? MIXED : end.value === null ? 'none' : NOW}
      choices={[
        ...(end === null ? [[MIXED, 'mixed'] as const] : []),
        ...(end === null || end.value === null ? [] : [[NOW, untilText(end.value)] as const]),
        ...choices.map(({ key, label }) => [key, label] as const),
        [OTHER, 'Another time…'],
      ]}
      refusal={refusal}
      onPick={pick}
    />
  );
}
