/** Run a command in a slice: it waits for its turn, runs there, and goes on without this window. */
import { useState } from 'react';
import type { ReactElement } from 'react';
import { keyLabel } from '../../../model/commands.ts';
import type { Job, JobPriority } from '../../../model/job.ts';
import type { Slice } from '../../../model/slice.ts';
import type { HostSnapshot } from '../../../model/model.ts';
import { gibWithUnit, parseBytes } from '../../../model/units.ts';
import { aheadText } from '../../domain/ahead-text.ts';
import { runRefusal, usableSlices } from '../../domain/job-rights.ts';
import { may } from '../../domain/rights.ts';
import { nameProblem } from '../../domain/slice-edits.ts';
import { lastCommand, rememberCommand } from '../../store/last-commands.ts';
import { closeDialog } from '../../store/ui.ts';
import { FormDialog, Verdict } from '../../components/dialog.tsx';
import { ChoiceField, boxesOf } from '../../components/field.tsx';
import { startJob } from '../../acts/jobs.ts';
import type { Wanted } from '../../acts/jobs.ts';
import { isMac } from '../../commands/keys.ts';
import { environmentNames, lastEnvironment, rememberEnvironment, useEnvironments } from './environments.ts';

const PRIORITIES: readonly (readonly [JobPriority, string])[] = [
  ['low', 'Low: after the others'],
  ['normal', 'Normal'],
  ['high', 'High: before the others'],
];
const YIELDS = [
  ['stays', 'Runs on'],
  ['requeue', 'Makes room, waits again'],
  ['ends', 'Makes room, is over'],
] as const;
const GRACE_MAX_S = 600;
const COMMAND_MAX = 4000;
const AS_IS = { spellCheck: false } as const;

interface Typed {
  readonly sliceId: string;
  readonly command: string;
  readonly cwd: string;
  readonly name: string;
  readonly priority: JobPriority;
  readonly yields: (typeof YIELDS)[number][0];
  readonly preempts: boolean;
  readonly minFree: string;
  readonly grace: string;
  /** The prefix of a Python environment; empty: as in the shell. */
  readonly environment: string;
}

/** The first thing that is wrong, in the order of the fields; else the job that would be started. */
export function readJob(typed: Typed, slice: Slice): Wanted | string {
  const command = typed.command.trim();
  const name = typed.name.trim();
  if (command === '') return 'Type a command, as you would in a shell there.';
  if (new TextEncoder().encode(command).length > COMMAND_MAX)
    return 'A command has at most 4000 bytes: put it into a script.';
  const badName = name === '' ? null : nameProblem(name);
  if (badName !== null) return badName;
  const free = typed.minFree.trim() === '' ? null : parseBytes(typed.minFree, 'g');
  if (free?.ok === false) return free.message;
  if (free !== null && free.value > slice.memoryLimitBytes)
    return `${slice.name} has a limit of ${gibWithUnit(slice.memoryLimitBytes)}: more can never be free in it.`;
  const grace = /^\d{1,3}$/.test(typed.grace.trim()) ? Number(typed.grace) : Number.NaN;
  if (!(grace <= GRACE_MAX_S)) return 'The grace is 0 to 600 seconds.';
  return {
    sliceId: slice.id,
    command,
    name: name === '' ? null : name,
    cwd: typed.cwd.trim() === '' ? null : typed.cwd.trim(),
    priority: typed.priority,
    preemptible: typed.yields !== 'stays',
    requeue: typed.yields === 'requeue',
    preempts: typed.preempts && typed.priority !== 'low',
    minFreeBytes: free === null ? null : free.value,
    graceMs: grace * 1000,
    environment: typed.environment === '' ? null : typed.environment,
  };
}

export function RunDialog(props: {
  readonly host: HostSnapshot;
  readonly slice: Slice;
  /** A job that is to run once more; null: the last command is offered. */
  readonly again: Pick<Job, 'command' | 'name' | 'priority'> | null;
}): ReactElement {
  const { host, again } = props;
  const [typed, setTyped] = useState<Typed>(() => ({
    sliceId: props.slice.id,
    ...lastCommand(host, props.slice),
    name: '',
    priority: 'normal',
    yields: 'stays',
    preempts: false,
    minFree: '',
    grace: '30',
    environment: lastEnvironment(host),
    ...again,
  }));
  const slices = usableSlices(host);
  const slice = slices.find((one) => one.id === typed.sliceId) ?? props.slice;
  const environments = useEnvironments(host, typed.cwd.trim());
  // One of another folder, or that is gone, is not run in unseen.
  const isThere = environments.list.some(({ path }) => path === typed.environment);
  const environment = isThere ? typed.environment : '';
  const wanted = readJob({ ...typed, environment }, slice);
  // Asked already and chosen before: without the answer it would be run in another one than meant.
  const waits =
    environments.isAsking && typed.environment !== '' ? 'Looking for the environments there…' : null;
  const refusal = runRefusal(host, slice) ?? (typeof wanted === 'string' ? wanted : null) ?? waits;
  // An empty sheet is not wrong yet.
  const isWrong = refusal !== null && (typed.command !== '' || runRefusal(host, slice) !== null);
  const put = (change: Partial<Typed>): void => setTyped((now) => ({ ...now, ...change }));
  const submit = (): void => {
    if (refusal !== null || typeof wanted === 'string') return;
    closeDialog();
    rememberCommand(host, slice, wanted.command, typed.cwd.trim());
    if (typed.environment === environment) rememberEnvironment(host, environment);
    void startJob(host, slice, wanted);
  };
  const box = boxesOf(typed, put);
  return (
    <FormDialog
      title={`Run in a slice on ${host.name}`}
      onCancel={closeDialog}
      verb="Run"
      onSubmit={submit}
      refusal={refusal}
      byModEnter
      hint={keyLabel('$mod+Enter', isMac())}
    >
      <div className="fields two-columns">
        <div className="span-2">
          <ChoiceField
            label="Slice"
            value={slice.id}
            choices={(slices.some((one) => one.id === slice.id) ? slices : [slice, ...slices]).map(
              (one) => [one.id, `${one.name} · ${one.owner} · ${gibWithUnit(one.memoryLimitBytes)}`] as const,
            )}
            onPick={(sliceId) => put({ sliceId })}
          />
        </div>
        <label className="field span-2">
          <span>Command, for your own login shell there</span>
          <span className="in area">
            <textarea
              className="mono"
              data-first-focus
              rows={3}
              spellCheck={false}
              value={typed.command}
              placeholder="python train.py --epochs 90"
              onFocus={(event) => event.target.select()}
              onChange={(event) => put({ command: event.target.value })}
            />
          </span>
        </label>
        {box('Folder', 'cwd', '', { placeholder: 'home folder', ...AS_IS }, false)}
        <div>
          <ChoiceField
            label="Environment"
            value={environment}
            choices={[['', 'As in your shell'] as const, ...environmentNames(environments.list)]}
            onPick={(path) => put({ environment: path })}
          />
          {environments.failure !== null && (
            <p className="small warn" role="status">
              Environments could not be looked for: {environments.failure.message}
            </p>
          )}
        </div>
        {box('Name', 'name', '', { placeholder: 'from the command', ...AS_IS }, false)}
        <ChoiceField
          label="Priority in the line"
          value={typed.priority}
          choices={PRIORITIES}
          onPick={(priority) => put({ priority })}
        />
        <ChoiceField
          label="When a higher one comes"
          value={typed.yields}
          choices={YIELDS}
          onPick={(yields) => put({ yields })}
        />
        {box(
          'Starts only with this free',
          'minFree',
          'GiB',
          { placeholder: 'whatever is free', ...AS_IS },
          false,
        )}
        {box('From SIGTERM to SIGKILL', 'grace', 's', AS_IS, false)}
        <label
          className="check span-2"
          title={typed.priority === 'low' ? 'Nothing is lower than low.' : undefined}
        >
          <input
            type="checkbox"
            checked={typed.preempts && typed.priority !== 'low'}
            disabled={typed.priority === 'low'}
            onChange={(event) => put({ preempts: event.target.checked })}
          />
          Stop {may(host, 'jobs-order') ? 'running jobs' : 'my running jobs'} of lower priority, agreed or not
        </label>
      </div>
      <Verdict tone={isWrong ? 'bad' : 'two'}>
        {refusal ?? (typeof wanted === 'string' ? '' : aheadText(host, slice, wanted))}
      </Verdict>
    </FormDialog>
  );
}
