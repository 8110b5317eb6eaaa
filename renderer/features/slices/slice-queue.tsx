/** The line of one slice, for its inspector: what runs, who is next and why not yet. */
import type { ReactElement } from 'react';
import type { Slice } from '../../../model/slice.ts';
import type { HostSnapshot } from '../../../model/model.ts';
import { compareJobs, detailText, isOver, stateText, toneOf } from '../../domain/job-text.ts';
import { soonTime } from '../../domain/when.ts';
import { goToJob } from '../../store/ui.ts';
import { runCommand } from '../../commands/registry.ts';

/** More of them are in the list below. */
const SHOWN_MAX = 5;

export function SliceQueue(props: {
  readonly host: HostSnapshot;
  readonly slice: Slice;
}): ReactElement | null {
  const { host, slice } = props;
  if (host.jobs === null) return null;
  const jobs = host.jobs.jobs.filter((job) => job.sliceId === slice.id && !isOver(job)).sort(compareJobs);
  return (
    <section>
      <div className="head2">
        Jobs
        <button type="button" className="text-act" onClick={() => runCommand('job.run')}>
          Run in slice…
        </button>
      </div>
      {jobs.length === 0 ? (
        <p className="small three">No job runs or waits here.</p>
      ) : (
        <ul className="slice-queue">
          {jobs.slice(0, SHOWN_MAX).map((job) => (
            <li key={job.id} className="small">
              <button
                type="button"
                className="link-plain cut"
                title={job.command}
                onClick={() => goToJob(host.id, job.id)}
              >
                {job.name}
              </button>
              <span className={`job-state ${toneOf(job)}`}>{stateText(job)}</span>
              {job.waits !== null && <span className="two why">{detailText(job, soonTime)}</span>}
            </li>
          ))}
        </ul>
      )}
      {jobs.length > SHOWN_MAX && <p className="small three">and {jobs.length - SHOWN_MAX} more</p>}
    </section>
  );
}
