/** How many jobs of one slice run at once, on this host: for operators to set, for others to know. */
import type { ReactElement } from 'react';
import type { HostSnapshot, JobList } from '../../../model/model.ts';
import { setRefusal } from '../../domain/rights.ts';
import { setSlots } from '../../acts/jobs.ts';

const CHOICES = [1, 2, 3, 4, 6, 8, 12, 16] as const;

export function SlotsField(props: { readonly host: HostSnapshot; readonly list: JobList }): ReactElement {
  const { host, list } = props;
  const refusal = setRefusal(host);
  const choices = [...new Set([...CHOICES, list.slotsPerSlice])].sort((a, b) => a - b);
  return (
    <label className="small two slots" title={refusal ?? 'Jobs of one slice that run at the same time'}>
      <span className="wide">At once in a slice</span>
      <select
        aria-label="Jobs at once in a slice"
        value={list.slotsPerSlice}
        disabled={refusal !== null}
        onChange={(event) => void setSlots(host, Number(event.target.value))}
      >
        {choices.map((count) => (
          <option key={count} value={count}>
            {count}
          </option>
        ))}
      </select>
    </label>
  );
}
