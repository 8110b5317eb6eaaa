/** One job's log in the place of the list: followed to its end, filtered, as text and nothing else. */
import { memo, useEffect, useMemo, useRef, useState } from 'react';
import type { ReactElement } from 'react';
import { assertNever } from '../../../model/errors.ts';
import type { Job } from '../../../model/job.ts';
import type { HostSnapshot } from '../../../model/model.ts';
import { gib } from '../../../model/units.ts';
import { logRefusal } from '../../domain/job-rights.ts';
import { detailText, isOver, stateText, toneOf } from '../../domain/job-text.ts';
import { soonTime } from '../../domain/when.ts';
import { followJobLog, useJobLog } from '../../store/job-log.ts';
import type { JobLog } from '../../store/job-log.ts';
import { filterLines } from '../../store/log-text.ts';
import { pickJob } from '../../store/ui.ts';
import { Button } from '../../components/bits.tsx';
import { runCommand } from '../../commands/registry.ts';

/** Lines that are drawn anew together: of a log that grows only its last block is. */
const BLOCK_LINES = 200;
/** So near to the end counts as being there. */
const AT_END_PX = 24;
const KIB = 1024;

const Block = memo(({ text }: { readonly text: string }) => <span>{text}</span>);

function blocksOf(lines: readonly string[], before: number): readonly { key: number; text: string }[] {
  const blocks: { key: number; text: string }[] = [];
  // Counted from the first line there ever was, so that dropped lines do not move all that follow.
  let at = 0;
  while (at < lines.length) {
    const end = at + BLOCK_LINES - ((before + at) % BLOCK_LINES);
    blocks.push({ key: before + at, text: `${lines.slice(at, end).join('\n')}\n` });
    at = end;
  }
  return blocks;
}

const bytesText = (bytes: number): string =>
  bytes < 1024 * KIB
    ? `${String(Math.ceil(bytes / KIB))} KiB`
    : bytes < KIB ** 3
      ? `${String(Math.round(bytes / KIB / KIB))} MiB`
      : `${gib(bytes)} GiB`;

function missingText({ unreadBytes, droppedLines, skippedBytes }: JobLog): string | null {
  const before =
    unreadBytes > 0
      ? `${bytesText(unreadBytes)} before this`
      : droppedLines > 0
        ? `${String(droppedLines)} lines before this`
        : null;
  if (before !== null) return `${before} are not shown here: copy the log command to read all of it.`;
  return skippedBytes > 0 ? `${bytesText(skippedBytes)} of the middle are no longer kept.` : null;
}

function statusText(log: JobLog | null, host: HostSnapshot): string {
  if (log === null) return 'reading…';
  switch (log.state) {
    case 'following':
      return 'following';
    case 'away':
      return `${host.name} is away: it goes on when it is back`;
    case 'over':
      return 'complete';
    case 'failed':
      return '';
    case 'reading':
      return 'reading…';
    default:
      return assertNever(log.state, 'state of a log');
  }
}

export function LogView({ host, job }: { readonly host: HostSnapshot; readonly job: Job }): ReactElement {
  const log = useJobLog();
  const [wanted, setWanted] = useState('');
  const [sticks, setSticks] = useState(true);
  const pane = useRef<HTMLPreElement>(null);
  const refusal = logRefusal(host, job);
  // Started anew for another job, and for one that is in another run: then there is more to come.
  useEffect(() => (refusal === null ? followJobLog(host.id, job.id) : undefined), [host.id, job.id, refusal]);
  const lines = useMemo(() => filterLines(log?.lines ?? [], wanted), [log?.lines, wanted]);
  const blocks = blocksOf(lines, wanted === '' ? (log?.droppedLines ?? 0) : 0);
  useEffect(() => {
    if (sticks) pane.current?.scrollTo(0, pane.current.scrollHeight);
  }, [lines, sticks]);
  const missing = log === null ? null : missingText(log);
  return (
    <div className="job-log">
      <div className="job-log-head small">
        <Button kind="quiet" tight onClick={() => pickJob(job.id)}>
          ‹ Jobs
        </Button>
        <b className="strong cut" title={job.command}>
          {job.name}
        </b>
        <span className={`job-state ${toneOf(job)}`}>{stateText(job)}</span>
        <span className="two cut grow">{detailText(job, soonTime)}</span>
        <span className="three wide">{refusal === null ? statusText(log, host) : ''}</span>
        <input
          type="search"
          className="log-filter"
          placeholder="Filter lines"
          aria-label={`Filter the log of ${job.name}`}
          value={wanted}
          onChange={(event) => setWanted(event.target.value)}
        />
        <label className="check">
          <input type="checkbox" checked={sticks} onChange={(event) => setSticks(event.target.checked)} />
          Follow
        </label>
        {!isOver(job) && (
          <Button kind="quiet" tight onClick={() => runCommand('job.cancel')}>
            Cancel job…
          </Button>
        )}
      </div>
      {missing !== null && <p className="job-log-note micro three">{missing}</p>}
      {refusal !== null || log?.state === 'failed' ? (
        <p className="dock-empty small bad">{refusal ?? log?.failure?.message}</p>
      ) : (
        <pre
          ref={pane}
          tabIndex={0}
          role="log"
          aria-live="off"
          aria-label={`Log of ${job.name}`}
          onScroll={(event) => {
            const { scrollHeight, scrollTop, clientHeight } = event.currentTarget;
            const atEnd = scrollHeight - scrollTop - clientHeight <= AT_END_PX;
            if (atEnd !== sticks) setSticks(atEnd);
          }}
        >
          {blocks.map((block) => (
            <Block key={block.key} text={block.text} />
          ))}
          {lines.length === 0 && log !== null && log.state !== 'reading' && (
            <span className="three">{emptyText(job, wanted)}</span>
          )}
        </pre>
      )}
    </div>
  );
}

function emptyText(job: Job, wanted: string): string {
  if (wanted !== '') return `No line has “${wanted}”.`;
  if (isOver(job)) return 'It wrote nothing.';
  return job.startedAtMs === null ? 'It has not started yet.' : 'It has written nothing yet.';
}
