/** Buttons, marks and fields. */
import { useState } from 'react';
import type { ReactElement } from 'react';
import { parsePercent } from '../../model/units.ts';
import { Button, Chip, OwnerTag } from '../../renderer/components/bits.tsx';
import { GpuLink, SliceLink } from '../../renderer/components/links.tsx';
import type { ButtonProps } from '../../renderer/components/bits.tsx';
import { Verdict } from '../../renderer/components/dialog.tsx';
import { AreaField, ChoiceField, LimitField, TypedField } from '../../renderer/components/field.tsx';
import { FilterBox } from '../../renderer/components/filter-box.tsx';
import { DeniedMark, ICON_NAMES, Icon } from '../../renderer/components/icons.tsx';
import { ProcessList } from '../../renderer/components/process-list.tsx';
import { LAB_SAMPLE, LONG_NAME, LONG_OWNER, LAB, LAB_GPU } from './lab.ts';
import type { GallerySection } from './state.ts';

const nothing = (): void => undefined;

const KINDS: readonly NonNullable<ButtonProps['kind']>[] = ['plain', 'primary', 'quiet', 'danger'];
/** One of each kind beside the others: a state is told apart by comparing them. */
const Buttons = (props: Omit<ButtonProps, 'children' | 'onClick' | 'kind'>): ReactElement => (
  <div className="row-of">
    {KINDS.map((kind) => (
      <Button key={kind} {...props} kind={kind} onClick={nothing}>
        {kind}
      </Button>
    ))}
  </div>
);

export const BUTTONS: GallerySection = {
  name: 'buttons',
  title: 'Buttons, names and marks',
  states: [
    { name: 'plain', draw: () => <Buttons /> },
    { name: 'tight', draw: () => <Buttons tight /> },
    { name: 'refused', draw: () => <Buttons refusal="hopper is not connected." /> },
    {
      name: 'long words',
      isWide: true,
      draw: () => (
        <Button onClick={nothing}>Connect to workstation-with-a-very-long-name.cs.uni.example…</Button>
      ),
    },
    {
      name: 'with a sign',
      draw: () => (
        <div className="row-of">
          <Button kind="quiet" tight label="Copy" onClick={nothing}>
            <Icon name="copy" />
          </Button>
          <Button onClick={nothing}>
            <Icon name="plus" /> New slice
          </Button>
        </div>
      ),
    },
    {
      name: 'owners',
      draw: () => (
        <div className="row-of data-cell">
          {['mira', 'tom', 'wei', 'lab', 'إبراهيم'].map((owner) => (
            <OwnerTag key={owner} owner={owner}>
              {owner}
            </OwnerTag>
          ))}
        </div>
      ),
    },
    {
      name: 'chips of owners',
      draw: () => (
        <div className="row-of">
          {['mira', 'a', LONG_OWNER, 'إبراهيم'].map((owner) => (
            <Chip key={owner} owner={owner} />
          ))}
        </div>
      ),
    },
    {
      name: 'owner unknown',
      draw: () => (
        <div className="data-cell">
          <OwnerTag owner={null}>unmanaged</OwnerTag>
        </div>
      ),
    },
    {
      name: 'owner with a long name',
      draw: () => (
        <div className="data-cell narrow-cell" title={LONG_OWNER}>
          <OwnerTag owner={LONG_OWNER}>{LONG_OWNER}</OwnerTag>
        </div>
      ),
    },
    {
      name: 'names that lead there',
      draw: () => (
        <div className="row-of data-cell">
          <GpuLink host={LAB} gpu={LAB_GPU}>
            GPU 0
          </GpuLink>
          {LAB.slices.slice(0, 2).map((slice) => (
            <SliceLink key={slice.id} host={LAB} slice={slice} />
          ))}
        </div>
      ),
    },
    {
      name: 'all signs',
      isWide: true,
      draw: () => (
        <div className="row-of">
          {ICON_NAMES.map((name) => (
            <span key={name} className="sign">
              <Icon name={name} /> {name}
            </span>
          ))}
          <span className="sign">
            <DeniedMark /> denied
          </span>
        </div>
      ),
    },
    {
      name: 'signs with a tone',
      draw: () => (
        <div className="row-of">
          {['two', 'three', 'warn', 'bad'].map((tone) => (
            <span key={tone} className={`sign ${tone}`}>
              <Icon name="warn" tone={tone} /> {tone}
            </span>
          ))}
        </div>
      ),
    },
  ],
};

/** Keeps what is typed, so that a state can be tried out by hand as well. */
function Typed(props: {
  readonly label: string;
  readonly value: string;
  readonly unit?: string;
}): ReactElement {
  const [value, setValue] = useState(props.value);
  return <TypedField {...props} value={value} onType={setValue} />;
}

const limit = {
  label: 'GPU time limit',
  unit: '%',
  shown: '40',
  parse: parsePercent,
  check: () => null,
  onCommit: nothing,
  refusal: null,
};

export const FIELDS: GallerySection = {
  name: 'fields',
  title: 'Fields',
  states: [
    { name: 'limit', draw: () => <LimitField {...limit} /> },
    { name: 'limit refused', draw: () => <LimitField {...limit} refusal="hopper is not connected." /> },
    { name: 'limit unknown', draw: () => <LimitField {...limit} shown="—" /> },
    {
      name: 'limit being typed wrong',
      alone: { opens: 'click', types: '400' },
      draw: () => (
        <div data-opens="">
          <LimitField {...limit} />
        </div>
      ),
    },
    {
      name: 'choice',
      draw: () => <ChoiceField label="Until" value="none" choices={[['none', 'No end']]} onPick={nothing} />,
    },
    {
      name: 'choice refused',
      draw: () => (
        <ChoiceField
          label="Until"
          value="none"
          choices={[['none', 'No end']]}
          onPick={nothing}
          refusal="hopper is not connected."
        />
      ),
    },
    {
      name: 'choice with a long name',
      draw: () => (
        <ChoiceField
          label="Slice"
          value="one"
          choices={[['one', `${LONG_NAME} · ${LONG_OWNER} · 12.0 GiB`]]}
          onPick={nothing}
        />
      ),
    },
    { name: 'typed empty', draw: () => <Typed label="Name" value="" /> },
    { name: 'typed with a unit', draw: () => <Typed label="Memory limit each" value="6" unit="GiB" /> },
    { name: 'typed long', draw: () => <Typed label="Name" value={LONG_NAME} unit="GiB" /> },
    {
      name: 'area empty',
      draw: () => (
        <AreaField label="Command" value="" onType={nothing} more={{ placeholder: 'python train.py' }} />
      ),
    },
    {
      name: 'area full',
      draw: () => (
        <AreaField
          label="People"
          value={Array.from({ length: 60 }, (_, i) => `s${String(i)}`).join(', ')}
          onType={nothing}
        />
      ),
    },
    {
      name: 'filter empty',
      draw: () => (
        <FilterBox id="filter-empty" label="Filter" placeholder="Filter hosts" value="" onType={nothing} />
      ),
    },
    {
      name: 'filter with a count',
      draw: () => (
        <FilterBox id="filter-full" label="Filter" placeholder="Filter" value="student" onType={nothing}>
          <span className="small two">3 of 40</span>
        </FilterBox>
      ),
    },
    { name: 'verdict fine', draw: () => <Verdict>18.0 GiB stay free.</Verdict> },
    { name: 'verdict warns', draw: () => <Verdict tone="warn">4.0 GiB more than is free.</Verdict> },
    { name: 'verdict wrong', draw: () => <Verdict problem="The guarantee is above the GPU time limit." /> },
    { name: 'verdict empty', draw: () => <Verdict /> },
    { name: 'processes', draw: () => <ProcessList processes={LAB_SAMPLE.processes.slice(0, 2)} /> },
    { name: 'processes none', draw: () => <ProcessList processes={[]} /> },
    {
      name: 'processes more than are shown',
      draw: () => (
        <ProcessList
          processes={[0, 100].flatMap((more) =>
            LAB_SAMPLE.processes.map((p) => ({ ...p, pid: p.pid + more })),
          )}
        />
      ),
    },
    {
      name: 'process unknown',
      draw: () => (
        <ProcessList
          processes={LAB_SAMPLE.processes.slice(0, 1).map((p) => ({ ...p, user: null, startedAtMs: null }))}
        />
      ),
    },
  ],
};
