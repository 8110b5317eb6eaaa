/** A slice of one's own measure. Prefilled so that Enter is enough. */
import { useState } from 'react';
import type { ReactElement } from 'react';
import type { Gpu } from '../../../model/gpu.ts';
import type { Sample } from '../../../model/sample.ts';
import type { HostSnapshot } from '../../../model/model.ts';
import { gib, gibWithUnit, parseBytes, parsePercent } from '../../../model/units.ts';
import { refusalWords } from '../../domain/drag.ts';
import { cutRefusal, gpuView } from '../../domain/host-figures.ts';
import { beyondQuota } from '../../domain/quota.ts';
import { nameProblem, presetBytes, preview, yourName } from '../../domain/slice-edits.ts';
import type { NewSlice } from '../../domain/slice-edits.ts';
import { untilChoices } from '../../domain/until.ts';
import { closeDialog } from '../../store/ui.ts';
import { FormDialog, Verdict } from '../../components/dialog.tsx';
import { ChoiceField, boxesOf } from '../../components/field.tsx';
import { createSlice } from '../../acts/slices.ts';

interface Typed {
  readonly gpuUuid: string;
  readonly name: string;
  readonly memory: string;
  readonly limit: string;
  readonly guarantee: string;
  readonly owner: string;
  readonly until: string;
}

function suggestion(host: HostSnapshot, gpu: Gpu, sample: Sample | null, wantedBytes: number | null): Typed {
  const view = gpuView(host, gpu, sample);
  const quarter = presetBytes(gpu.capacityBytes, 0.25);
  const fitting =
    wantedBytes ?? (view.layout.free > 0 ? Math.min(quarter, presetBytes(view.layout.free, 1)) : quarter);
  const percent = Math.max(1, Math.min(100, Math.round((fitting / gpu.capacityBytes) * 100)));
  return {
    gpuUuid: gpu.uuid,
    name: '',
    memory: gib(fitting),
    limit: String(percent),
    guarantee: '0',
    owner: yourName(host) ?? '',
    until: 'none',
  };
}

/** The first thing that is wrong, in the order of the fields; else the slice that would be made. */
function read(typed: Typed, host: HostSnapshot, gpu: Gpu): NewSlice | string {
  const name = typed.name.trim();
  const memory = parseBytes(typed.memory, 'g');
  const limit = parsePercent(typed.limit);
  const guarantee = parsePercent(typed.guarantee);
  const badName = name === '' ? null : nameProblem(name);
  if (badName !== null) return badName;
  if (host.slices.some((slice) => slice.name === name))
    return `${host.name} has a slice called ${name} already.`;
  if (!memory.ok) return memory.message;
  if (!limit.ok) return limit.message;
  if (!guarantee.ok) return guarantee.message;
  const wanted: NewSlice = {
    name: name === '' ? null : name,
    memoryLimitBytes: memory.value,
    computeLimitPercent: limit.value,
    computeGuaranteePercent: guarantee.value,
    priority: 'normal',
    owner: typed.owner === '' ? null : typed.owner,
    expiresAtMs: untilChoices(new Date()).find((choice) => choice.key === typed.until)?.atMs ?? null,
  };
  const uncut = cutRefusal(host, gpu);
  if (uncut !== null) return uncut;
  const refusal = refusalWords(preview(host, gpu, null, wanted), gpu.capacityBytes);
  return refusal === null ? wanted : `Not possible: ${refusal}.`;
}

export function CreateSheet(props: {
  readonly host: HostSnapshot;
  readonly gpu: Gpu;
  readonly sample: Sample | null;
  /** Asked for by size, as from the palette. */
  readonly wantedBytes: number | null;
}): ReactElement {
  const { host, sample, wantedBytes } = props;
  const [typed, setTyped] = useState(() => suggestion(host, props.gpu, sample, wantedBytes));
  const gpu = host.gpus.find((g) => g.uuid === typed.gpuUuid) ?? props.gpu;
  const wanted = read(typed, host, gpu);
  const problem = typeof wanted === 'string' ? wanted : null;
  const { layout } = gpuView(host, gpu, sample);
  const beyond =
    typeof wanted === 'string'
      ? null
      : beyondQuota(host, wanted.owner ?? yourName(host) ?? '', wanted.memoryLimitBytes, null);
  const put = (change: Partial<Typed>): void => setTyped((now) => ({ ...now, ...change }));
  const submit = (): void => {
    if (typeof wanted === 'string') return;
    closeDialog();
    void createSlice(host, gpu, wanted, beyond !== null);
  };
  const owners = [...new Set([typed.owner, ...host.people.map((person) => person.name)])].filter(
    (n) => n !== '',
  );
  const over = typeof wanted === 'string' ? 0 : wanted.memoryLimitBytes - layout.free;
  const box = boxesOf(typed, put);
  return (
    <FormDialog
      title={`New slice on ${host.name}`}
      onCancel={closeDialog}
      verb={beyond === null ? 'Create' : 'Create over the quota'}
      onSubmit={submit}
      kind={beyond === null ? 'primary' : 'danger'}
      refusal={problem}
    >
      <div className="fields two-columns">
        <div className="span-2">
          <ChoiceField
            label="GPU"
            value={gpu.uuid}
            choices={host.gpus.map(
              (g) =>
                [
                  g.uuid,
                  `GPU ${String(g.index)} · ${g.name} · ${gibWithUnit(gpuView(host, g, sample).layout.free)} free`,
                ] as const,
            )}
            onPick={(uuid) => {
              const next = host.gpus.find((g) => g.uuid === uuid);
              if (next === undefined) return;
              setTyped({
                ...suggestion(host, next, sample, wantedBytes),
                name: typed.name,
                owner: typed.owner,
                until: typed.until,
              });
            }}
          />
        </div>
        {box('Memory limit', 'memory', 'GiB', { 'data-first-focus': true })}
        {box('GPU time limit', 'limit', '%')}
        {box('Guaranteed GPU time', 'guarantee', '%')}
        <ChoiceField
          label="Owner"
          value={typed.owner}
          choices={owners.map((owner) => [owner, owner] as const)}
          onPick={(owner) => put({ owner })}
        />
        <ChoiceField
          label="Until"
          value={typed.until}
          choices={untilChoices(new Date()).map(({ key, label }) => [key, label] as const)}
          onPick={(until) => put({ until })}
        />
        <div>{box('Name', 'name', '', { placeholder: `${typed.owner}-…` })}</div>
      </div>
      <Verdict problem={problem} tone={beyond === null ? 'two' : 'warn'}>
        {typeof wanted === 'string'
          ? null
          : beyond !== null
            ? `Over the quota: ${beyond}. The audit will say so.`
            : over > 0
              ? `${gib(over)} GiB more than is free: limits will add up to more than the GPU has, and whoever allocates first gets it.`
              : `${gibWithUnit(layout.free - wanted.memoryLimitBytes)} stay free.`}
      </Verdict>
    </FormDialog>
  );
}
