/** Several slices that are picked together: what they are in sum, what they have in common, and edits of all of them. */
import type { ReactElement } from 'react';
import type { Gpu } from '../../../model/gpu.ts';
import type { HostSnapshot } from '../../../model/model.ts';
import { gib, gibWithUnit, parseBytes, parsePercent } from '../../../model/units.ts';
import { refusalWords } from '../../domain/drag.ts';
import { sliceSample } from '../../domain/host-figures.ts';
import { editRefusal } from '../../domain/rights.ts';
import { asNew, commonOf, preview } from '../../domain/slice-edits.ts';
import type { HostSlice, SliceChange } from '../../domain/slice-edits.ts';
import { shownSample } from '../../store/series.ts';
import { ChoiceField, LimitField } from '../../components/field.tsx';
import { Icon } from '../../components/icons.tsx';
import { SliceLink } from '../../components/links.tsx';
import { Menu } from '../../components/menu.tsx';
import { useTick } from '../../components/use-sample.ts';
import { changeSlices, giveSlices } from '../../acts/slices.ts';
import { SLICE_MENU, menuEntries } from '../../commands/menu-entries.ts';
import { GATES } from '../../domain/enforcement.ts';
import { PRIORITIES } from './slice-fields.tsx';
import { UntilField } from './until-field.tsx';

/** Stands in a field where the slices differ. */
const MIXED = 'mixed';

/** Why the change would be refused for one of them, after it was made of those before; null: of none. */
export function manyRefusal(slices: readonly HostSlice[], change: SliceChange): string | null {
  const now = new Map<string, HostSnapshot>();
  for (const { host, slice } of slices) {
    const here = now.get(host.id) ?? host;
    const gpu: Gpu | undefined = here.gpus.find((one) => one.uuid === slice.gpuUuid);
    if (gpu === undefined) continue;
    const words = refusalWords(preview(here, gpu, slice, asNew(slice, change)), gpu.capacityBytes);
    if (words !== null) return `${slice.name}: ${words}`;
    const changed = here.slices.map((one) => (one.id === slice.id ? { ...one, ...change } : one));
    now.set(host.id, { ...here, slices: changed });
  }
  return null;
}

export function ManyInspector({ slices }: { readonly slices: readonly HostSlice[] }): ReactElement {
  useTick();
  const count = `${String(slices.length)} slices`;
  const used = slices.map(
    ({ host, slice }) => sliceSample(shownSample(host.id), slice.id)?.memoryUsedBytes ?? null,
  );
  const usedBytes = used.some((bytes) => bytes === null)
    ? null
    : used.reduce<number>((sum, bytes) => sum + (bytes ?? 0), 0);
  const limitBytes = slices.reduce((sum, { slice }) => sum + slice.memoryLimitBytes, 0);
  const hosts = new Set(slices.map(({ host }) => host.id)).size;
  const owners = new Set(slices.map(({ slice }) => slice.owner)).size;
  return (
    <div className="inspector" role="group" aria-label={`${count} selected`}>
      <div className="ins-head">
        <h2 className="cut">{count}</h2>
        <span className="small two cut place">
          {hosts === 1 ? `on ${slices[0]?.host.name ?? ''}` : `on ${String(hosts)} hosts`}
          {owners === 1 ? ` · of ${slices[0]?.slice.owner ?? ''}` : ` · of ${String(owners)} people`}
        </span>
        <Menu entries={menuEntries(SLICE_MENU)} label="More commands" className="btn quiet tight">
          <Icon name="more" />
        </Menu>
      </div>
      <section>
        <dl className="ledger">
          <div>
            <dt>In use, of all of them</dt>
            <dd>{gibWithUnit(usedBytes)}</dd>
          </div>
          <div className="sum">
            <dt>Memory limits in sum</dt>
            <dd>{gibWithUnit(limitBytes)}</dd>
          </div>
        </dl>
      </section>
      <ManyFields slices={slices} />
      <section>
        <div className="head2">
          Selected <span>GiB in use · limit</span>
        </div>
        <table className="pickable">
          <colgroup>
            <col />
            <col className="c-owner" />
            <col className="c-52" />
            <col className="c-48" />
          </colgroup>
          <tbody>
            {slices.map(({ host, slice }, at) => (
              <tr key={`${host.id} ${slice.id}`}>
                <td className="cut">
                  <SliceLink host={host} slice={slice} />
                </td>
                <td className="cut two">{hosts === 1 ? slice.owner : host.name}</td>
                <td className="num">{gib(used[at] ?? null)}</td>
                <td className="num">{gib(slice.memoryLimitBytes)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
    </div>
  );
}

function ManyFields({ slices }: { readonly slices: readonly HostSlice[] }): ReactElement {
  const refusal = slices.map(({ host }) => editRefusal(host)).find((one) => one !== null) ?? null;
  const change = (to: SliceChange): void => void changeSlices(slices, to);
  const shown = (read: (of: HostSlice) => string): string => commonOf(slices, read)?.value ?? MIXED;
  const known = slices.map(
    ({ host, slice }) => new Set([slice.owner, ...host.people.map((one) => one.name)]),
  );
  const owners = [...(known[0] ?? [])].filter((name) => known.every((names) => names.has(name)));
  const owner = shown(({ slice }) => slice.owner);
  const mixed = [MIXED, 'mixed'] as const;
  const common = <T extends string>(
    label: string,
    choices: ReadonlyArray<readonly [T, string]>,
    read: (of: HostSlice) => T,
    onPick: (to: T) => void,
  ): ReactElement => {
    const value = shown(read);
    return (
      <ChoiceField
        label={label}
        value={value}
        choices={[...(value === MIXED ? [mixed] : []), ...choices]}
        refusal={refusal}
        onPick={(picked) => {
          const to = choices.find(([one]) => one === picked)?.[0];
          if (to !== undefined && to !== value) onPick(to);
        }}
      />
    );
  };
  return (
    <section className="fields" aria-label={`Limits of all ${String(slices.length)}`}>
      <LimitField
        label="Memory limit"
        field="memory"
        unit="GiB"
        shown={shown(({ slice }) => gib(slice.memoryLimitBytes))}
        parse={(typed) => parseBytes(typed, 'g')}
        check={(memoryLimitBytes) => manyRefusal(slices, { memoryLimitBytes })}
        onCommit={(memoryLimitBytes) => change({ memoryLimitBytes })}
        refusal={refusal}
      />
      <LimitField
        label="GPU time limit"
        unit="%"
        shown={shown(({ slice }) => String(slice.computeLimitPercent))}
        parse={parsePercent}
        check={(computeLimitPercent) => manyRefusal(slices, { computeLimitPercent })}
        onCommit={(computeLimitPercent) => change({ computeLimitPercent })}
        refusal={refusal}
      />
      <LimitField
        label="Guaranteed"
        unit="%"
        shown={shown(({ slice }) => String(slice.computeGuaranteePercent))}
        parse={parsePercent}
        check={(computeGuaranteePercent) => manyRefusal(slices, { computeGuaranteePercent })}
        onCommit={(computeGuaranteePercent) => change({ computeGuaranteePercent })}
        refusal={refusal}
      />
      <ChoiceField
        label="Owner"
        value={owner}
        choices={[...(owner === MIXED ? [mixed] : []), ...owners.map((name) => [name, name] as const)]}
        refusal={refusal}
        onPick={(name) => {
          if (name !== owner) void giveSlices(slices, name);
        }}
      />
      {common(
        'Priority',
        PRIORITIES,
        ({ slice }) => slice.priority,
        (to) => change({ priority: to }),
      )}
      {common(
        'Gate',
        GATES,
        ({ slice }) => slice.gate,
        (to) => change({ gate: to }),
      )}
      <UntilField slices={slices} refusal={refusal} />
    </section>
  );
}
