/** The typed twins of everything the bar can do by hand. */
import type { ReactElement } from 'react';
import type { Gpu } from '../../../model/gpu.ts';
import { gpuCan } from '../../../model/backends.ts';
import type { Slice, SliceSample } from '../../../model/slice.ts';
import type { HostSnapshot } from '../../../model/model.ts';
import { gib, mibExact, parseBytes, parsePercent } from '../../../model/units.ts';
import { refusalWords } from '../../domain/drag.ts';
import { GATES, keepingOf } from '../../domain/enforcement.ts';
import { editRefusal } from '../../domain/rights.ts';
import { asNew, preview } from '../../domain/slice-edits.ts';
import type { SliceChange } from '../../domain/slice-edits.ts';
import { ChoiceField, LimitField } from '../../components/field.tsx';
import { changeSlice, giveSlice } from '../../acts/slices.ts';
import { UntilField } from './until-field.tsx';

export const PRIORITIES = [
  ['idle', 'Idle: only what others leave'],
  ['normal', 'Normal'],
  ['high', 'High: served first'],
] as const;

export function SliceFields(props: {
  readonly host: HostSnapshot;
  readonly gpu: Gpu;
  readonly slice: Slice;
  readonly reading: SliceSample | null;
}): ReactElement {
  const { host, gpu, slice, reading } = props;
  const keeping = keepingOf(slice, gpu, reading);
  const refusal = editRefusal(host);
  const check = (change: SliceChange): string | null =>
    refusalWords(preview(host, gpu, slice, asNew(slice, change)), gpu.capacityBytes);
  const owners = [...new Set([slice.owner, ...host.people.map((person) => person.name)])];
  return (
    <section className="fields" aria-label="Limits">
      <LimitField
        label="Memory limit"
        field="memory"
        unit="GiB"
        shown={gib(slice.memoryLimitBytes)}
        title={mibExact(slice.memoryLimitBytes)}
        parse={(typed) => parseBytes(typed, 'g')}
        check={(memoryLimitBytes) => check({ memoryLimitBytes })}
        onCommit={(memoryLimitBytes) => void changeSlice(host, slice, { memoryLimitBytes })}
        refusal={refusal}
      />
      <LimitField
        label="GPU time limit"
        unit="%"
        shown={String(slice.computeLimitPercent)}
        title="the most GPU time it may use"
        parse={parsePercent}
        check={(computeLimitPercent) => check({ computeLimitPercent })}
        onCommit={(computeLimitPercent) => void changeSlice(host, slice, { computeLimitPercent })}
        refusal={refusal}
      />
      <LimitField
        label="Guaranteed"
        unit="%"
        shown={String(slice.computeGuaranteePercent)}
        title="the least GPU time it is owed when others want it too"
        parse={parsePercent}
        check={(computeGuaranteePercent) => check({ computeGuaranteePercent })}
        onCommit={(computeGuaranteePercent) => void changeSlice(host, slice, { computeGuaranteePercent })}
        refusal={refusal}
      />
      <ChoiceField
        label="Owner"
        value={slice.owner}
        choices={owners.map((name) => [name, name] as const)}
        refusal={refusal}
        onPick={(owner) => owner !== slice.owner && void giveSlice(host, slice, owner)}
      />
      <ChoiceField
        label="Priority"
        value={slice.priority}
        choices={PRIORITIES}
        refusal={refusal}
        onPick={(priority) => void changeSlice(host, slice, { priority })}
      />
      <ChoiceField
        label="Gate"
        value={slice.gate}
        choices={GATES}
        refusal={refusal ?? (gpuCan(gpu, 'gate') ? null : keeping.why)}
        onPick={(gate) => void changeSlice(host, slice, { gate })}
      />
      <UntilField slices={[{ host, slice }]} refusal={refusal} />
      <div className="small two kept" title={keeping.why}>
        Memory limit: <b>{keeping.word}</b>
        {keeping.isHard ? '' : `. ${keeping.why}`}
      </div>
    </section>
  );
}
