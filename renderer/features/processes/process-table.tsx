/** Who runs what on the GPUs of a host, in slices or outside them. Keys of the focused row: I, T, K. */
import { useMemo, useState } from 'react';
import type { KeyboardEvent, ReactElement } from 'react';
import type { HostSnapshot, ProcessSample, Sample } from '../../../model/model.ts';
import { assertNever } from '../../../model/errors.ts';
import { duration, gib, mibExact } from '../../../model/units.ts';
import { OwnerTag, cx, vars } from '../../components/bits.tsx';
import { openDialog, select, useUi } from '../../store/ui.ts';
import type { Signal } from '../../store/ui.ts';

type SortKey = 'memory' | 'time' | 'pid' | 'user' | 'slice' | 'up';
const NONE = -1;
/** nvitop's keys. */
const SIGNAL_KEYS: Readonly<Record<string, Signal>> = { i: 'INT', t: 'TERM', k: 'KILL' };

function compare(
  a: ProcessSample,
  b: ProcessSample,
  key: SortKey,
  nameOf: (id: string | null) => string,
): number {
  switch (key) {
    case 'memory':
      return (b.memoryUsedBytes ?? NONE) - (a.memoryUsedBytes ?? NONE);
    case 'time':
      return (b.computeUsedTenths ?? NONE) - (a.computeUsedTenths ?? NONE);
    case 'pid':
      return a.pid - b.pid;
    case 'user':
      return (a.user ?? '').localeCompare(b.user ?? '');
    case 'slice':
      return nameOf(a.sliceId).localeCompare(nameOf(b.sliceId));
    case 'up':
      return (a.startedAtMs ?? Number.MAX_VALUE) - (b.startedAtMs ?? Number.MAX_VALUE);
    default:
      return assertNever(key, 'sort key');
  }
}

export function ProcessTable(props: {
  readonly host: HostSnapshot;
  readonly sample: Sample | null;
}): ReactElement {
  const { host, sample } = props;
  const [sort, setSort] = useState<SortKey>('memory');
  const slices = useMemo(() => new Map(host.slices.map((slice) => [slice.id, slice])), [host.slices]);
  const processes = [...(sample?.processes ?? [])].sort(
    (a, b) => compare(a, b, sort, (id) => slices.get(id ?? '')?.name ?? '~') || a.pid - b.pid,
  );
  const heading = (key: SortKey, word: string, className: string): ReactElement => (
    <th
      className={className}
      aria-sort={sort === key ? (key === 'memory' || key === 'time' ? 'descending' : 'ascending') : undefined}
    >
      <button type="button" className="th" onClick={() => setSort(key)}>
        {word}
        {sort === key ? ' ↓' : ''}
      </button>
    </th>
  );
  if (processes.length === 0) {
    return (
      <p className="dock-empty small three">
        {sample === null ? 'No sample yet.' : 'No process uses a GPU of this host.'}
      </p>
    );
  }
  return (
    <table>
      <colgroup>
        <col className="c-pid" />
        <col className="c-user" />
        <col className="c-slice" />
        <col className="c-gpu wide" />
        <col />
        <col className="c-mem" />
        <col className="c-time" />
        <col className="c-thr" />
        <col className="c-up wide" />
        <col className="c-act" />
      </colgroup>
      <thead>
        <tr>
          {heading('pid', 'PID', 'num')}
          {heading('user', 'User', '')}
          {heading('slice', 'Slice', '')}
          <th className="num wide">GPU</th>
          <th>Command</th>
          {heading('memory', 'GiB', 'num')}
          {heading('time', 'Time %', 'num')}
          <th className="num">Throttled %</th>
          {heading('up', 'Running for', 'num wide')}
          <th>
            <span className="unseen">Stop</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {processes.map((process) => (
          <Row
            key={`${String(process.pid)}-${process.startTicks}`}
            host={host}
            process={process}
            slice={slices.get(process.sliceId ?? '') ?? null}
            nowMs={sample?.atMs ?? 0}
          />
        ))}
        {(sample?.processesOmitted ?? 0) > 0 && (
          <tr>
            <td colSpan={10} className="three">
              and {sample?.processesOmitted} more, not listed
            </td>
          </tr>
        )}
      </tbody>
    </table>
  );
}

function Row(props: {
  readonly host: HostSnapshot;
  readonly process: ProcessSample;
  readonly slice: { readonly id: string; readonly name: string; readonly owner: string } | null;
  readonly nowMs: number;
}): ReactElement {
  const { host, process, slice, nowMs } = props;
  const selected = useUi(
    (s) => s.selection.kind === 'slice' && slice !== null && s.selection.id === slice.id,
  );
  const gpu = host.gpus.find((g) => g.uuid === process.gpuUuid);
  const throttled = process.throttledTenths;
  const stop = (signal: Signal): void =>
    openDialog({ kind: 'stop-process', hostId: host.id, process, signal });
  const pick = (): void =>
    select(
      host.id,
      slice === null ? { kind: 'gpu', uuid: process.gpuUuid } : { kind: 'slice', id: slice.id },
    );
  const onKey = (event: KeyboardEvent<HTMLTableRowElement>): void => {
    const row = event.currentTarget;
    if (event.key === 'Enter') pick();
    else if (/^[itk]$/i.test(event.key) && !event.ctrlKey && !event.metaKey) {
      stop(SIGNAL_KEYS[event.key.toLowerCase()] ?? 'TERM');
    } else if (event.key === 'ArrowDown') (row.nextElementSibling as HTMLElement | null)?.focus();
    else if (event.key === 'ArrowUp') (row.previousElementSibling as HTMLElement | null)?.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <tr className={cx(selected && 'is-sel')} tabIndex={0} onClick={pick} onKeyDown={onKey}>
      <td className="num mono">{process.pid}</td>
      <td className="cut">{process.user ?? (process.uid === null ? '—' : String(process.uid))}</td>
      <td className="cut">
        <OwnerTag owner={slice?.owner ?? null}>
          {slice === null ? <span className="two">unmanaged</span> : slice.name}
        </OwnerTag>
      </td>
      <td className="num wide">{gpu?.index ?? '—'}</td>
      <td className="mono cut" title={process.command}>
        {process.command}
      </td>
      <td className="num" title={mibExact(process.memoryUsedBytes)}>
        {gib(process.memoryUsedBytes)}
      </td>
      <td className="num">
        <i className="meter wide" style={vars({ '--p': (process.computeUsedTenths ?? 0) / 10 })} />
        <span className="n2">
          {process.computeUsedTenths === null ? '—' : Math.round(process.computeUsedTenths / 10)}
        </span>
      </td>
      <td className={cx('num', throttled !== null && throttled >= 20 ? 'warn' : 'three')}>
        {throttled === null ? (
          <span title="not measured outside a slice">—</span>
        ) : (
          Math.round(throttled / 10)
        )}
      </td>
      <td className="num wide">
        {process.startedAtMs === null ? '—' : duration(nowMs - process.startedAtMs)}
      </td>
      <td className="num">
        <button
          type="button"
          className="row-act"
          aria-label={`Stop process ${String(process.pid)}`}
          tabIndex={-1}
          onClick={(event) => {
            event.stopPropagation();
            stop('TERM');
          }}
        >
          Stop
        </button>
      </td>
    </tr>
  );
}
