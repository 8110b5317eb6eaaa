/** Stopping a process cannot be undone: who, what and for how long is said first, Cancel has the focus. */
import { useState } from 'react';
import type { ReactElement } from 'react';
import type { ProcessSample } from '../../../model/sample.ts';
import type { HostSnapshot } from '../../../model/model.ts';
import { duration, gibWithUnit } from '../../../model/units.ts';
import { escapeText } from '../../domain/escapes.ts';
import { request, sayFailure } from '../../store/ask.ts';
import type { Signal } from '../../store/dialogs.ts';
import { announce, closeDialog, showToast } from '../../store/ui.ts';
import { AskDialog } from '../../components/dialog.tsx';
import { belongsTo } from './process-columns.tsx';

const SIGNALS = [
  ['INT', 'Interrupt, as Ctrl+C would'],
  ['TERM', 'Ask it to end'],
  ['KILL', 'Kill it; it cannot save anything'],
] as const;
const VERBS: Readonly<Record<Signal, string>> = { INT: 'Interrupt', TERM: 'Stop', KILL: 'Kill' };

export function StopDialog(props: {
  readonly host: HostSnapshot;
  readonly process: ProcessSample;
  readonly signal: Signal;
}): ReactElement {
  const { host, process } = props;
  const [signal, setSignal] = useState<Signal>(props.signal);
  const submit = async (): Promise<void> => {
    closeDialog();
    const { pid, startTicks } = process;
    const result = await request('process:stop', { hostId: host.id, pid, startTicks, signal });
    if (!result.ok) {
      sayFailure(result.error);
      return;
    }
    showToast(`SIG${signal} sent to process ${String(pid)}`);
    announce(`Signal sent to process ${String(pid)}`);
  };
  const escape = escapeText(process);
  const slice = host.slices.find((s) => s.id === process.sliceId);
  return (
    <AskDialog
      title={`Stop process ${String(process.pid)} on ${host.name}?`}
      onCancel={closeDialog}
      verb={`${VERBS[signal]} process ${String(process.pid)}`}
      onSubmit={() => void submit()}
    >
      <dl className="facts">
        <dt>User</dt>
        <dd>{process.user ?? '—'}</dd>
        <dt>Command</dt>
        <dd className="mono wrap">{process.command}</dd>
        {belongsTo(process) !== null && (
          <>
            <dt>Part of</dt>
            <dd className="wrap">{belongsTo(process)}</dd>
          </>
        )}
        <dt>Slice</dt>
        <dd>{slice?.name ?? 'unmanaged'}</dd>
        {escape !== null && (
          <>
            <dt>Outside</dt>
            <dd className="wrap">{escape.why}</dd>
          </>
        )}
        <dt>Running for</dt>
        <dd>{process.startedAtMs === null ? '—' : duration(Date.now() - process.startedAtMs)}</dd>
        <dt>Memory</dt>
        <dd>{gibWithUnit(process.memoryUsedBytes)}</dd>
      </dl>
      <fieldset className="choices">
        <legend className="small three">How</legend>
        {SIGNALS.map(([value, words]) => (
          <label key={value}>
            <input type="radio" name="signal" checked={signal === value} onChange={() => setSignal(value)} />
            <span>{words}</span> <span className="three">SIG{value}</span>
          </label>
        ))}
      </fieldset>
    </AskDialog>
  );
}
