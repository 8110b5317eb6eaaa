/** The legend is also the target: drop a slice on a person to hand it over. */
import { useState } from 'react';
import type { ReactElement } from 'react';
import type { Sample } from '../../../model/sample.ts';
import type { HostSnapshot } from '../../../model/model.ts';
import { gib } from '../../../model/units.ts';
import { editRefusal } from '../../domain/rights.ts';
import { beyondQuota } from '../../domain/quota.ts';
import { DRAG_TYPE, setDragged, useDragged } from '../../store/dragged.ts';
import { useOwnerClass } from '../../store/owners.ts';
import { cx } from '../../components/bits.tsx';
import { giveSlice } from '../../acts/slices.ts';

/** More names than this would push the bars down. */
const SHOWN_MAX = 12;

export function People(props: {
  readonly host: HostSnapshot;
  readonly sample: Sample | null;
}): ReactElement | null {
  const { host, sample } = props;
  const limits = new Map<string, number>();
  for (const slice of host.slices)
    limits.set(slice.owner, (limits.get(slice.owner) ?? 0) + slice.memoryLimitBytes);
  for (const person of host.people) {
    if (person.source !== 'login' && !limits.has(person.name)) limits.set(person.name, 0);
  }
  const unmanaged = sample?.gpus.reduce((sum, gpu) => sum + (gpu.unmanagedBytes ?? 0), 0) ?? 0;
  const names = [...limits.keys()].slice(0, SHOWN_MAX);
  if (names.length === 0 && unmanaged === 0) return null;
  return (
    <ul className="people" aria-label={`People on ${host.name}, sum of memory limits in GiB`}>
      {names.map((name) => (
        <Person key={name} host={host} name={name} limitBytes={limits.get(name) ?? 0} />
      ))}
      {limits.size > SHOWN_MAX && <li className="three">and {limits.size - SHOWN_MAX} more</li>}
      {unmanaged > 0 && (
        <li className="un" title="memory held by processes outside every slice, and by the driver">
          <i className="swatch" />
          <span className="two">unmanaged {gib(unmanaged)}</span>
        </li>
      )}
      {host.slices.length > 0 && editRefusal(host) === null && (
        <li className="hint wide">Drop a slice on a person to hand it over</li>
      )}
    </ul>
  );
}

/** What a drop on this person would do, in a few words; null while nothing of this host is carried. */
function useDropWords(host: HostSnapshot, name: string, limitBytes: number): string | null {
  const dragged = useDragged((s) => s.dragged);
  if (dragged === null) return null;
  const slice = dragged.hostId === host.id ? host.slices.find((s) => s.id === dragged.sliceId) : undefined;
  if (slice === undefined) return `Not possible: a slice stays on its host.`;
  if (slice.owner === name) return `${name} has it already.`;
  const beyond = beyondQuota(host, name, slice.memoryLimitBytes, slice);
  if (beyond !== null) return `Over the quota: with ${slice.name} ${beyond}. You are asked again.`;
  return `${slice.name} to ${name}, who then has ${gib(limitBytes + slice.memoryLimitBytes)} GiB`;
}

function Person(props: {
  readonly host: HostSnapshot;
  readonly name: string;
  readonly limitBytes: number;
}): ReactElement {
  const { host, name, limitBytes } = props;
  const hue = useOwnerClass(name);
  const [over, setOver] = useState(false);
  const words = useDropWords(host, name, limitBytes);
  return (
    <li
      className={cx(hue, hue === 'un' && 'has-none', over && 'is-target')}
      onDragOver={(event) => {
        if (!event.dataTransfer.types.includes(DRAG_TYPE)) return;
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        setDragged(null);
        const slice = host.slices.find((s) => s.id === event.dataTransfer.getData(DRAG_TYPE));
        if (slice !== undefined && slice.owner !== name) void giveSlice(host, slice, name);
      }}
    >
      <i className="swatch" aria-hidden="true" />
      <b className="strong cut" title={name}>
        {name}
      </b>
      <span className="two">{gib(limitBytes)}</span>
      {over && words !== null && (
        <span className="drop-words" role="status">
          {words}
        </span>
      )}
    </li>
  );
}
