/** Run a command in a slice: it waits for its turn, runs there, and goes on without this window. */
import type { ReactElement } from 'react';
import { keyLabel } from '../../../model/commands.ts';
import type { Job } from '../../../model/job.ts';
import type { Slice } from '../../../model/slice.ts';
import type { HostSnapshot } from '../../../model/model.ts';
import { gibWithUnit } from '../../../model/units.ts';
import { aheadText } from '../../domain/ahead-text.ts';
import { may } from '../../domain/rights.ts';
import { closeDialog } from '../../store/ui.ts';
import { FormDialog, Verdict } from '../../components/dialog.tsx';
import { AreaField, ChoiceField, boxesOf } from '../../components/field.tsx';
import { isMac } from '../../commands/keys.ts';
import { environmentNames } from './environments.ts';
import { PRIORITIES, YIELDS } from './run-form.ts';
import { useRunForm } from './use-run-form.ts';
import type { RunForm } from './use-run-form.ts';

const AS_IS = { spellCheck: false } as const;

/** In which slice, and what. */
function WhatFields({ form }: { readonly form: RunForm }): ReactElement {
  const { typed, put, slice, slices } = form;
  return (
    <>
      <div className="span-2">
        <ChoiceField
          label="Slice"
          value={slice.id}
          choices={slices.map(
            (one) => [one.id, `${one.name} · ${one.owner} · ${gibWithUnit(one.memoryLimitBytes)}`] as const,
          )}
          onPick={(sliceId) => put({ sliceId })}
        />
      </div>
      <AreaField
        className="span-2"
        label="Command, for your own login shell there"
        value={typed.command}
        selects
        onType={(command) => put({ command })}
        more={{ 'data-first-focus': true, placeholder: 'python train.py --epochs 90' }}
      />
    </>
  );
}

function EnvironmentField({ form }: { readonly form: RunForm }): ReactElement {
  const { put, environment, environments } = form;
  return (
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
  );
}

/** Where it stands in the line, and what it does when another one comes. */
function TurnFields({ form, host }: { readonly form: RunForm; readonly host: HostSnapshot }): ReactElement {
  const { typed, put } = form;
  const box = boxesOf(typed, put);
  const isLow = typed.priority === 'low';
  return (
    <>
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
      <label className="check span-2" title={isLow ? 'Nothing is lower than low.' : undefined}>
        <input
          type="checkbox"
          checked={typed.preempts && !isLow}
          disabled={isLow}
          onChange={(event) => put({ preempts: event.target.checked })}
        />
        Stop {may(host, 'jobs-order') ? 'running jobs' : 'my running jobs'} of lower priority, agreed or not
      </label>
    </>
  );
}

export function RunDialog(props: {
  readonly host: HostSnapshot;
  readonly slice: Slice;
  /** A job that is to run once more; null: the last command is offered. */
  readonly again: Pick<Job, 'command' | 'name' | 'priority'> | null;
}): ReactElement {
  const { host } = props;
  const form = useRunForm(host, props.slice, props.again);
  const { typed, put, slice, wanted, refusal, isWrong } = form;
  const box = boxesOf(typed, put);
  return (
    <FormDialog
      title={`Run in a slice on ${host.name}`}
      onCancel={closeDialog}
      verb="Run"
      onSubmit={form.submit}
      refusal={refusal}
      byModEnter
      hint={keyLabel('$mod+Enter', isMac())}
    >
      <div className="fields two-columns">
        <WhatFields form={form} />
        {box('Folder', 'cwd', '', { placeholder: 'home folder', ...AS_IS }, false)}
        <EnvironmentField form={form} />
        {box('Name', 'name', '', { placeholder: 'from the command', ...AS_IS }, false)}
        <TurnFields form={form} host={host} />
      </div>
      <Verdict tone={isWrong ? 'bad' : 'two'}>
        {refusal ?? (typeof wanted === 'string' ? '' : aheadText(host, slice, wanted))}
      </Verdict>
    </FormDialog>
  );
}
