/** The dock's audit: who changed what, when, from where, before and after. Paged from the agent, live from then on. */
import { useEffect } from 'react';
import type { ReactElement } from 'react';
import type { AuditRecord } from '../../../model/people.ts';
import type { HostSnapshot } from '../../../model/model.ts';
import { changeText, gpuNameOn, refusalText, verbOf } from '../../domain/audit-text.ts';
import { stamp, utc } from '../../domain/when.ts';
import { loadNewest, loadOlder, useTrail } from '../../store/audit.ts';
import type { AuditTrail } from '../../store/audit.ts';
import { select, useUi } from '../../store/ui.ts';
import { Button, OwnerTag, cx } from '../../components/bits.tsx';
import { VirtualList } from '../../components/virtual-list.tsx';
import { exportAudit } from './export.ts';

const ROW_PX = 24;

export function AuditPanel({ host }: { readonly host: HostSnapshot }): ReactElement {
  const sliceId = useUi((s) => s.auditSliceId);
  const trail = useTrail(host.id, sliceId);
  const live = host.connection.kind === 'live';
  useEffect(() => {
    // Also after a reconnect: what was done meanwhile is asked for.
    if (live) void loadNewest(host.id, sliceId);
  }, [host.id, sliceId, live]);
  if (trail === null || (trail.records.length === 0 && trail.state === 'loading')) {
    return (
      <p className="dock-empty small three">
        {live ? 'Reading the audit…' : `${host.name} is not connected.`}
      </p>
    );
  }
  if (trail.records.length === 0) {
    return trail.state === 'failed' ? (
      <Failed host={host} trail={trail} />
    ) : (
      <p className="dock-empty small three">Nobody has changed anything yet.</p>
    );
  }
  return (
    <div className="audit">
      <div className="audit-row audit-head" aria-hidden="true">
        <span>When</span>
        <span>Who</span>
        <span className="audit-from">From</span>
        <span>Did</span>
        <span>Slice</span>
        <span>Before → after</span>
      </div>
      <VirtualList
        label={`Audit of ${host.name}, newest first`}
        items={[...trail.records, null]}
        keyOf={(record) => (record === null ? 'end' : String(record.seq))}
        heightPx={() => ROW_PX}
        render={(record) =>
          record === null ? <End host={host} trail={trail} /> : <Row host={host} record={record} />
        }
      />
    </div>
  );
}

function Row({ host, record }: { readonly host: HostSnapshot; readonly record: AuditRecord }): ReactElement {
  const refusal = refusalText(record);
  const gpuName = gpuNameOn(host);
  const changes = changeText(record, gpuName);
  const still = host.slices.some((slice) => slice.id === record.sliceId);
  const owner = record.after?.owner ?? record.before?.owner ?? null;
  const from = record.claimedFrom ?? 'on the host';
  return (
    <div className="audit-row">
      <span className="three num" title={utc(record.atMs)}>
        {stamp(record.atMs)}
      </span>
      <span
        className="cut strong"
        title={`${record.user}, uid ${String(record.uid)}, by the kernel’s word; from ${from}, by their own`}
      >
        {record.user}
      </span>
      <span className="cut two mono audit-from" title={`${from}: what the client said of itself`}>
        {from}
      </span>
      <span className={cx('cut', refusal !== null && 'bad')} title={refusal ?? record.action}>
        {refusal === null ? verbOf(record) : `${verbOf(record)}, ${refusal}`}
      </span>
      <span className="cut">
        {record.sliceName === null ? (
          '—'
        ) : still && record.sliceId !== null ? (
          <OwnerTag owner={owner}>
            <button
              type="button"
              className="link-plain"
              onClick={() => select(host.id, { kind: 'slice', id: record.sliceId ?? '' })}
            >
              {record.sliceName}
            </button>
          </OwnerTag>
        ) : (
          <span className="two" title="deleted since">
            {record.sliceName}
          </span>
        )}
      </span>
      <span className="cut" title={`${changeText(record, gpuName, 8)} ${record.detail ?? ''}`.trim()}>
        {changes}
        {record.detail !== null && <span className={changes === '' ? '' : 'two'}> {record.detail}</span>}
        {record.refusalsOmitted > 0 && (
          <span className="bad"> and {record.refusalsOmitted} more refused before it</span>
        )}
      </span>
    </div>
  );
}

/** The foot of the list asks for the next page as soon as it comes into sight. */
function End({ host, trail }: { readonly host: HostSnapshot; readonly trail: AuditTrail }): ReactElement {
  const sliceId = useUi((s) => s.auditSliceId);
  const more = trail.nextBeforeSeq !== null;
  useEffect(() => {
    if (more && trail.state === 'ready') void loadOlder(host.id, sliceId);
  }, [more, trail, host.id, sliceId]);
  if (trail.state === 'failed') return <Failed host={host} trail={trail} />;
  return (
    <p className="audit-end small three">
      {more
        ? 'Reading older ones…'
        : `That is all the agent has kept: ${String(trail.records.length)} edits.`}
    </p>
  );
}

function Failed({ host, trail }: { readonly host: HostSnapshot; readonly trail: AuditTrail }): ReactElement {
  const sliceId = useUi((s) => s.auditSliceId);
  return (
    <p className="dock-empty small">
      <span className="bad">{trail.failure?.message}</span>{' '}
      <Button tight onClick={() => void loadNewest(host.id, sliceId)}>
        Try again
      </Button>
    </p>
  );
}

/** Beside the tabs: which slice, and the files. */
export function AuditTools({ host }: { readonly host: HostSnapshot }): ReactElement {
  const sliceId = useUi((s) => s.auditSliceId);
  const refusal = host.connection.kind === 'live' ? null : `${host.name} is not connected.`;
  const name = host.slices.find((slice) => slice.id === sliceId)?.name ?? 'a deleted slice';
  return (
    <>
      {sliceId !== null && (
        <Button kind="quiet" tight onClick={() => useUi.setState({ auditSliceId: null })}>
          Only {name} · show all
        </Button>
      )}
      <Button kind="quiet" tight refusal={refusal} onClick={() => void exportAudit(host, sliceId, 'csv')}>
        CSV
      </Button>
      <Button kind="quiet" tight refusal={refusal} onClick={() => void exportAudit(host, sliceId, 'json')}>
        JSON
      </Button>
    </>
  );
}
