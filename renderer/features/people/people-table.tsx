/** People as a table: what they hold beside what they use, where, and what is held but idle. */
import { useMemo } from 'react';
import type { ReactElement } from 'react';
import type { Sample } from '../../../model/sample.ts';
import type { HostSnapshot } from '../../../model/model.ts';
import { gib, mibExact } from '../../../model/units.ts';
import { setRefusal } from '../../domain/rights.ts';
import { whomOf } from '../../domain/quota.ts';
import { useFreshHours } from '../../store/hours.ts';
import { idleText } from '../../store/idle-text.ts';
import { openDialog, select, setView, useUi } from '../../store/ui.ts';
import { OwnerTag, vars } from '../../components/bits.tsx';
import type { Column } from '../../components/data-columns.ts';
import { DataTable } from '../../components/data-table.tsx';
import { peopleRows } from './people-rows.ts';
import type { PersonRow, QuotaShare } from './people-rows.ts';

const hoursText = (ms: number | null): string => (ms === null ? '—' : (ms / 3_600_000).toFixed(1));

export const PEOPLE_COLUMNS: readonly Column<PersonRow>[] = [
  {
    id: 'person',
    heading: 'Person',
    width: 122,
    fixed: true,
    value: (row) => row.name,
    cell: (row) => (
      <OwnerTag owner={row.owner}>
        <span className="strong" title={row.name}>
          {row.name}
        </span>
      </OwnerTag>
    ),
  },
  {
    id: 'allocated',
    heading: 'Allocated GiB',
    title: 'Sum of the memory limits of their slices',
    width: 92,
    numeric: true,
    value: (row) => row.limitBytes,
    cell: (row) => <span title={mibExact(row.limitBytes)}>{gib(row.limitBytes)}</span>,
  },
  {
    id: 'quota',
    heading: 'Of quota GiB',
    title: 'What they hold of what they may hold, on the host where they are nearest to it',
    width: 148,
    numeric: true,
    value: (row) => row.quotas[0]?.percent ?? null,
    cell: (row) => <QuotaCell shares={row.quotas} />,
  },
  {
    id: 'used',
    heading: 'Used GiB',
    title: 'In their slices',
    width: 88,
    numeric: true,
    value: (row) => row.usedBytes,
    cell: (row) => (
      <>
        <i
          className="meter wide"
          aria-hidden="true"
          style={vars({
            '--p': row.limitBytes === 0 ? 0 : Math.min(100, ((row.usedBytes ?? 0) / row.limitBytes) * 100),
          })}
        />
        <span title={mibExact(row.usedBytes)}>{gib(row.usedBytes)}</span>
      </>
    ),
  },
  {
    id: 'idle',
    heading: 'Idle GiB',
    title: 'Held but idle: limits of slices without GPU time for as long as the settings say',
    width: 70,
    numeric: true,
    says: (row) => row.idleCount > 0,
    value: (row) => row.idleBytes,
    cell: (row) =>
      row.idleCount === 0 ? (
        <span className="three">0.0</span>
      ) : (
        <span title={`${String(row.idleCount)} of ${String(row.slices.length)} slices`}>
          {gib(row.idleBytes)}
        </span>
      ),
  },
  {
    id: 'unmanaged',
    heading: 'Unmanaged GiB',
    goes: 4,
    title: 'Held by their processes outside every slice',
    width: 110,
    numeric: true,
    says: (row) => row.unmanagedBytes > 0,
    value: (row) => row.unmanagedBytes,
    cell: (row) => <span className={row.unmanagedBytes === 0 ? 'three' : ''}>{gib(row.unmanagedBytes)}</span>,
  },
  {
    id: 'timeLimit',
    heading: 'Time limit %',
    goes: 3,
    title: 'Sum over GPUs: 100 is one whole GPU',
    width: 88,
    numeric: true,
    value: (row) => row.timeLimitPercent,
    cell: (row) => row.timeLimitPercent,
  },
  {
    id: 'timeUsed',
    heading: 'Time used %',
    title: 'Sum over GPUs: 100 is one whole GPU',
    width: 88,
    numeric: true,
    value: (row) => row.timeUsedTenths,
    cell: (row) => (row.timeUsedTenths === null ? '—' : Math.round(row.timeUsedTenths / 10)),
  },
  {
    id: 'hours',
    heading: 'GPU-h 7 d',
    title:
      'GPU time that their slices used in the last seven days; what runs outside of slices is not counted',
    width: 72,
    numeric: true,
    value: (row) => row.usedMs,
    cell: (row) =>
      row.usedMs === null ? (
        <span className="three">—</span>
      ) : (
        <span title={`held: ${hoursText(row.heldMs)} GPU-hours, by part of the memory`}>
          {hoursText(row.usedMs)}
        </span>
      ),
  },
  {
    id: 'slices',
    heading: 'Slices',
    goes: 2,
    width: 52,
    numeric: true,
    value: (row) => row.slices.length,
    cell: (row) => row.slices.length,
  },
  {
    id: 'processes',
    heading: 'Processes',
    goes: 1,
    width: 72,
    numeric: true,
    value: (row) => row.processes,
    cell: (row) => row.processes,
  },
  {
    id: 'where',
    heading: 'Where',
    title: 'Host and GPUs',
    width: 90,
    grows: true,
    value: (row) => row.where,
    cell: (row) => <span title={row.where}>{row.where}</span>,
  },
];

/** On one host: where quotas are set. */
function QuotaFoot({ hosts }: { readonly hosts: readonly HostSnapshot[] }): ReactElement | null {
  const [host] = hosts;
  if (host === undefined || hosts.length > 1 || setRefusal(host) !== null) return null;
  const count = host.quotas.length;
  return (
    <p className="view-foot small two">
      {count === 0
        ? 'Whoever owns slices may hold as much as there is.'
        : `${String(count)} ${count === 1 ? 'quota is' : 'quotas are'} set on ${host.name}.`}{' '}
      <button
        type="button"
        className="text-act"
        onClick={() => openDialog({ kind: 'quota', hostId: host.id, subject: null })}
      >
        Set quota…
      </button>
    </p>
  );
}

/** `30.0 / 40.0`, or where only slices are counted `2 / 3 slices`. */
function shareText({ held, quota }: QuotaShare): string {
  const slices =
    quota.slicesMax === null ? null : `${String(held.slices)} / ${String(quota.slicesMax)} slices`;
  if (quota.memoryBytesMax === null) return slices ?? '';
  return `${gib(held.bytes)} / ${gib(quota.memoryBytesMax)} GiB${slices === null ? '' : `, ${slices}`}`;
}

function QuotaCell({ shares }: { readonly shares: readonly QuotaShare[] }): ReactElement {
  const [first] = shares;
  if (first === undefined) return <span className="three">—</span>;
  const { held, quota } = first;
  const title = shares
    .map((share) => `${share.host.name}: ${shareText(share)} (${whomOf(share.quota)})`)
    .join('\n');
  return (
    <span title={title} className={first.percent > 100 ? 'warn' : ''}>
      <i className="meter wide" aria-hidden="true" style={vars({ '--p': Math.min(100, first.percent) })} />
      {quota.memoryBytesMax === null
        ? `${String(held.slices)} / ${String(quota.slicesMax ?? 0)} slices`
        : `${gib(held.bytes)} / ${gib(quota.memoryBytesMax)}`}
    </span>
  );
}

export function PeopleTable(props: {
  readonly hosts: readonly HostSnapshot[];
  readonly sampleOf: (hostId: string) => Sample | null;
  readonly sampleKey: unknown;
  readonly keep?: (row: PersonRow) => boolean;
  readonly empty: string;
}): ReactElement {
  const { hosts, sampleOf, sampleKey, keep, empty } = props;
  // Where nobody set a quota there is nothing to say of one.
  const hasQuotas = hosts.some((host) => host.quotas.length > 0);
  const columns = useMemo(
    () => (hasQuotas ? PEOPLE_COLUMNS : PEOPLE_COLUMNS.filter(({ id }) => id !== 'quota')),
    [hasQuotas],
  );
  const hours = useFreshHours(hosts);
  const rows = useMemo(
    () =>
      peopleRows(
        hosts,
        sampleOf,
        (host, slice) => idleText(host.id, slice) !== null,
        (hostId) => hours[hostId] ?? null,
      ).filter((row) => keep?.(row) ?? true),
    [hosts, sampleKey, keep, hours],
  );
  const picked = useUi((s) => s.picked);
  const owner = useUi((s) => {
    const { selection } = s;
    return selection.kind === 'slice'
      ? (hosts.find((h) => h.id === s.hostId)?.slices.find((slice) => slice.id === selection.id)?.owner ??
          null)
      : null;
  });
  /** A person's slices, all picked together: to give, to end, to delete. */
  const pick = (row: PersonRow): void => {
    const [first] = row.slices;
    if (first === undefined) return;
    select(first.host.id, { kind: 'slice', id: first.slice.id });
    if (row.slices.length > 1) {
      useUi.setState({ picked: row.slices.map((s) => ({ hostId: s.host.id, sliceId: s.slice.id })) });
    }
  };
  return (
    <>
      <DataTable
        label="People"
        name="people"
        rows={rows}
        columns={columns}
        rowKey={(row) => row.name}
        sortBy="allocated"
        isSelected={(row) => row.owner !== null && row.owner === owner}
        onPick={pick}
        empty={empty}
      />
      <QuotaFoot hosts={hosts} />
      {picked.length > 1 && (
        <p className="view-foot small two">
          {picked.length} slices selected: commands act on all of them.{' '}
          <button type="button" className="text-act" onClick={() => setView('table')}>
            Show in table
          </button>
        </p>
      )}
    </>
  );
}
