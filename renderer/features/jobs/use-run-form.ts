/** What the sheet for a job keeps while it is filled in, and what it asks of the host meanwhile. */
import { useState } from 'react';
import type { Job } from '../../../model/job.ts';
import type { Slice } from '../../../model/slice.ts';
import type { HostSnapshot } from '../../../model/model.ts';
import { usableSlices } from '../../domain/job-rights.ts';
import { lastCommand, rememberCommand } from '../../store/last-commands.ts';
import { closeDialog } from '../../store/ui.ts';
import { startJob } from '../../acts/jobs.ts';
import type { Wanted } from '../../acts/jobs.ts';
import { lastEnvironment, rememberEnvironment, useEnvironments } from './environments.ts';
import type { Environments } from './environments.ts';
import { firstTyped, judgeJob, readJob } from './run-form.ts';
import type { TypedJob } from './run-form.ts';

export interface RunForm {
  readonly typed: TypedJob;
  readonly put: (change: Partial<TypedJob>) => void;
  readonly slice: Slice;
  /** Those that it may run in. */
  readonly slices: readonly Slice[];
  readonly environments: Environments;
  /** The one that it would run in; empty: as in the shell. */
  readonly environment: string;
  /** The job that would be started, or the first thing that is wrong. */
  readonly wanted: Wanted | string;
  readonly refusal: string | null;
  readonly isWrong: boolean;
  readonly submit: () => void;
}

export function useRunForm(
  host: HostSnapshot,
  first: Slice,
  again: Pick<Job, 'command' | 'name' | 'priority'> | null,
): RunForm {
  const [typed, setTyped] = useState<TypedJob>(() =>
    firstTyped(first, { ...lastCommand(host, first), environment: lastEnvironment(host) }, again),
  );
  const usable = usableSlices(host);
  const slice = usable.find((one) => one.id === typed.sliceId) ?? first;
  const environments = useEnvironments(host, typed.cwd.trim());
  // One of another folder, or that is gone, is not run in unseen.
  const isThere = environments.list.some(({ path }) => path === typed.environment);
  const environment = isThere ? typed.environment : '';
  const wanted = readJob({ ...typed, environment }, slice);
  const judged = judgeJob(host, slice, typed, wanted, environments.isAsking);
  const submit = (): void => {
    if (judged.refusal !== null || typeof wanted === 'string') return;
    closeDialog();
    rememberCommand(host, slice, wanted.command, typed.cwd.trim());
    if (typed.environment === environment) rememberEnvironment(host, environment);
    void startJob(host, slice, wanted);
  };
  return {
    typed,
    put: (change) => setTyped((now) => ({ ...now, ...change })),
    slice,
    slices: usable.some((one) => one.id === slice.id) ? usable : [slice, ...usable],
    environments,
    environment,
    wanted,
    ...judged,
    submit,
  };
}
