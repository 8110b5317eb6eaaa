/** Slices as a table, over one host or all: figures right-aligned, limits beside use. */
import { useMemo } from 'react';
import type { ReactElement } from 'react';
import type { Sample } from '../../../model/sample.ts';
import type { HostSnapshot } from '../../../model/model.ts';
import { gib, mibExact } from '../../../model/units.ts';
import { THROTTLED_SHOWN_TENTHS } from '../../domain/gpu-sentence.ts';
import { sliceRows } from '../../domain/slice-rows.ts';
import type { SliceRow } from '../../domain/slice-rows.ts';
import { untilText } from '../../domain/when.ts';
import { idleText } from '../../store/idle-text.ts';
import { idleSince } from '../../store/idle.ts';
import { hostNowMs } from '../../store/series.ts';
import { select, togglePicked, useUi } from '../../store/ui.ts';
import { OwnerTag, cx, vars } from '../../components/bits.tsx';
import type { Column } from '../../components/data-columns.ts';
import { DataTable } from '../../components/data-table.tsx';
import { gpuEntries, sliceEntries } from '../../commands/menu-entries.ts';

const NONE = '—';
const percent = (tenths: number | null): string => (tenths === null ? NONE : String(Math.round(tenths / 10)));

function Share({
  part,
  whole,
}: {
  readonly part: number | null;
  readonly whole: number | null;
}): ReactElement {
  const share = part === null || whole === null || whole === 0 ? 0 : Math.min(100, (part / whole) * 100);
  return <i className="meter wide" aria-hidden="true" style={vars({ '--p': share })} />;
}

export const SLICE_COLUMNS: readonly Column<SliceRow>[] = [
  {
    id: 'slice',
    heading: 'Slice',
    width: 120,
    grows: true,
    fixed: true,
    value: (row) => row.name,
    cell: (row) => (
      <OwnerTag owner={row.owner}>
        <span className={row.slice === null ? 'two' : 'strong'} title={row.name}>
          {row.name}
        </span>
        {row.slice !== null && row.slice.suspendedReason !== null && (
          <span className="warn" title={row.slice.suspendedReason}>
            &ensp;suspended
          </span>
        )}
      </OwnerTag>
    ),
  },
  { id: 'owner', heading: 'Owner', width: 70, value: (row) => row.owner, cell: (row) => row.owner ?? NONE },
  {
    id: 'host',
    heading: 'Host',
    width: 92,
    value: (row) => row.host.name,
    cell: (row) => <span title={row.host.name}>{row.host.name}</span>,
  },
  {
    id: 'gpu',
    heading: 'GPU',
    width: 46,
    numeric: true,
    value: (row) => row.gpu?.index ?? null,
    cell: (row) => <span title={row.gpu?.name}>{row.gpu?.index ?? NONE}</span>,
  },
  {
    id: 'limit',
    heading: 'Limit GiB',
    width: 84,
    numeric: true,
    value: (row) => row.limitBytes,
    cell: (row) => <span title={mibExact(row.limitBytes)}>{gib(row.limitBytes)}</span>,
  },
  {
    id: 'used',
    heading: 'Used GiB',
    width: 88,
    numeric: true,
    value: (row) => row.usedBytes,
    cell: (row) => (
      <>
        <Share part={row.usedBytes} whole={row.limitBytes} />
        <span title={mibExact(row.usedBytes)}>{gib(row.usedBytes)}</span>
      </>
    ),
  },
  {
    id: 'timeLimit',
    heading: 'Time limit %',
    goes: 3,
    width: 86,
    numeric: true,
    value: (row) => row.timeLimitPercent,
    cell: (row) => row.timeLimitPercent ?? NONE,
  },
  {
    id: 'timeUsed',
    heading: 'Time used %',
    width: 96,
    numeric: true,
    value: (row) => row.timeUsedTenths,
    cell: (row) => (
      <>
        <Share
          part={row.timeUsedTenths === null ? null : row.timeUsedTenths / 10}
          whole={row.timeLimitPercent}
        />
        <span>{percent(row.timeUsedTenths)}</span>
      </>
    ),
  },
  {
    id: 'throttled',
    heading: 'Throttled %',
    goes: 1,
    width: 82,
    numeric: true,
    says: (row) => Math.round((row.throttledTenths ?? 0) / 10) > 0,
    value: (row) => row.throttledTenths,
    cell: (row) => (
      <span className={cx((row.throttledTenths ?? 0) >= THROTTLED_SHOWN_TENTHS ? 'warn' : 'three')}>
        {percent(row.throttledTenths)}
      </span>
    ),
  },
  {
    id: 'idle',
    heading: 'Idle for',
    goes: 2,
    title: 'Held without GPU time',
    width: 80,
    numeric: true,
    says: (row) => row.slice !== null && idleText(row.host.id, row.slice) !== null,
    value: (row) =>
      row.slice === null
        ? null
        : hostNowMs(row.host.id) - (idleSince(row.host.id, row.slice.id)?.sinceMs ?? hostNowMs(row.host.id)),
    cell: (row) => (row.slice === null ? NONE : (idleText(row.host.id, row.slice) ?? '')),
  },
  {
    id: 'guaranteed',
    heading: 'Guaranteed %',
    hidden: true,
    width: 92,
    numeric: true,
    value: (row) => row.guaranteePercent,
    cell: (row) => row.guaranteePercent ?? NONE,
  },
  {
    id: 'processes',
    heading: 'Processes',
    hidden: true,
    width: 76,
    numeric: true,
    value: (row) => row.processes,
    cell: (row) => row.processes ?? NONE,
  },
  {
    id: 'until',
    heading: 'Until',
    width: 80,
    numeric: true,
    says: (row) => row.slice !== null && row.slice.expiresAtMs !== null,
    value: (row) => row.slice?.expiresAtMs ?? null,
    cell: (row) =>
      row.slice === null ? NONE : row.slice.expiresAtMs === null ? '' : untilText(row.slice.expiresAtMs),
  },
];

export const ONE_HOST_COLUMNS = SLICE_COLUMNS.filter((column) => column.id !== 'host');

export function SliceTable(props: {
  readonly hosts: readonly HostSnapshot[];
  readonly sampleOf: (hostId: string) => Sample | null;
  /** A new one makes the rows anew: samples live outside React. */
  readonly sampleKey: unknown;
  readonly keep?: (row: SliceRow) => boolean;
  readonly name: 'host-slices' | 'fleet-slices';
  readonly empty: string;
}): ReactElement {
  const { hosts, sampleOf, sampleKey, keep, name, empty } = props;
  const selection = useUi((s) => s.selection);
  const picked = useUi((s) => s.picked);
  const hostId = useUi((s) => s.hostId);
  const rows = useMemo(
    () => sliceRows(hosts, sampleOf).filter((row) => keep?.(row) ?? true),
    [hosts, sampleKey, keep],
  );
  const isSelected = (row: SliceRow): boolean =>
    row.slice === null
      ? selection.kind === 'gpu' && selection.uuid === row.gpu?.uuid
      : picked.length > 0
        ? picked.some((p) => p.sliceId === row.slice?.id && p.hostId === row.host.id)
        : selection.kind === 'slice' && selection.id === row.slice.id && hostId === row.host.id;
  const pick = (row: SliceRow, adds: boolean): void => {
    if (row.slice !== null && adds) togglePicked(row.host.id, row.slice.id);
    else if (row.slice !== null) select(row.host.id, { kind: 'slice', id: row.slice.id });
    else if (row.gpu !== null) select(row.host.id, { kind: 'gpu', uuid: row.gpu.uuid });
  };
  return (
    <DataTable
      label="Slices"
      name={name}
      rows={rows}
      columns={name === 'host-slices' ? ONE_HOST_COLUMNS : SLICE_COLUMNS}
      rowKey={(row) => row.key}
      sortBy="limit"
      isSelected={isSelected}
      onPick={pick}
      empty={empty}
      menu={(row) =>
        row.slice === null
          ? row.gpu === null
            ? []
            : gpuEntries(row.host.id, row.gpu.uuid)
          : sliceEntries(row.host.id, row.slice.id)
      }
    />
  );
}
