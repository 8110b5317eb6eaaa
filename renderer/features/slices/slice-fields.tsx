/** The typed twins of everything the bar can do by hand. */
import type { ReactElement } from 'react';
import type { Gpu, HostSnapshot, Slice } from '../../../model/model.ts';
import { gib, mibExact, parseBytes, parsePercent } from '../../../model/units.ts';
import { LimitField, SelectField } from '../../components/field.tsx';
import { refusalWords } from '../gpus/drag.ts';
import { editRefusal } from '../hosts/host-figures.ts';
import { asNew, changeSlice, giveSlice, preview } from './slice-actions.ts';
import type { SliceChange } from './slice-actions.ts';
import { UntilField } from './until-field.tsx';

const PRIORITIES = [
  ['idle', 'Idle: only what others leave'],
  ['normal', 'Normal'],
  ['high', 'High: served first'],
] as const;

export function SliceFields(props: {
  readonly host: HostSnapshot;
  readonly gpu: Gpu;
  readonly slice: Slice;
}): ReactElement {
  const { host, gpu, slice } = props;
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
      <SelectField
        label="Owner"
        value={slice.owner}
        refusal={refusal}
        onPick={(owner) => owner !== slice.owner && void giveSlice(host, slice, owner)}
      >
        {owners.map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </SelectField>
      <SelectField
        label="Priority"
        value={slice.priority}
        refusal={refusal}
        onPick={(picked) => {
          const priority = PRIORITIES.find(([value]) => value === picked)?.[0];
          if (priority !== undefined) void changeSlice(host, slice, { priority });
        }}
      >
        {PRIORITIES.map(([value, label]) => (
          <option key={value} value={value}>
            {label}
          </option>
        ))}
      </SelectField>
      <UntilField host={host} slice={slice} refusal={refusal} />
    </section>
  );
}
