/** Ending what runs cannot be undone: what, for how long and how is said first, and Keep has the focus. */
import { useState } from 'react';
import type { ReactElement } from 'react';
import type { Job } from '../../../model/job.ts';
import type { HostSnapshot } from '../../../model/model.ts';
import { duration } from '../../../model/units.ts';
import { detailText, isOver, isWaiting, stateText } from '../../domain/job-text.ts';
import { soonTime } from '../../domain/when.ts';
import { closeDialog } from '../../store/ui.ts';
import { AskDialog } from '../../components/dialog.tsx';
import { actOnJob } from '../../acts/jobs.ts';

export function CancelJobDialog(props: { readonly host: HostSnapshot; readonly job: Job }): ReactElement {
  const { host, job } = props;
  const stopping = job.state === 'stopping';
  const [kills, setKills] = useState(stopping);
  const slice = host.slices.find((one) => one.id === job.sliceId);
  const submit = (): void => {
    closeDialog();
    void actOnJob(host, job, kills && !isWaiting(job) ? 'kill' : 'cancel');
  };
  const refusal = isOver(job) ? `${job.name} is over by now: ${stateText(job)}.` : null;
  const word = isWaiting(job) ? 'Cancel it' : kills ? 'Kill it' : 'Ask it to end';
  return (
    <AskDialog
      title={`Cancel ${job.name} of ${job.user}?`}
      onCancel={closeDialog}
      keep="Keep it"
      verb={word}
      onSubmit={submit}
      refusal={refusal}
    >
      <dl className="facts">
        <dt>Command</dt>
        <dd className="mono wrap">{job.command}</dd>
        <dt>Slice</dt>
        <dd>{slice?.name ?? 'deleted'}</dd>
        <dt>State</dt>
        <dd>{stateText(job)}</dd>
        <dt>{job.startedAtMs === null ? 'Waiting for' : 'Running for'}</dt>
        <dd>{duration(Date.now() - (job.startedAtMs ?? job.submittedAtMs))}</dd>
      </dl>
      {isWaiting(job) ? (
        <p className="small two">It has not started; nothing is lost but its place in the line.</p>
      ) : (
        <fieldset className="choices">
          <legend className="small three">How</legend>
          <label>
            <input
              type="radio"
              name="how"
              checked={!kills}
              disabled={stopping}
              onChange={() => setKills(false)}
            />
            <span>Ask it to end, and kill it after {duration(job.graceMs)}</span>{' '}
            <span className="three">SIGTERM, SIGKILL</span>
          </label>
          <label>
            <input type="radio" name="how" checked={kills} onChange={() => setKills(true)} />
            <span>Kill it at once; it cannot save anything</span> <span className="three">SIGKILL</span>
          </label>
          {stopping && <p className="small two">{detailText(job, soonTime)}</p>}
        </fieldset>
      )}
    </AskDialog>
  );
}
