/** What lies over the window: dialogs, menus, messages. One at a time, so each state has a page of its own. */
import { useEffect } from 'react';
import type { ReactElement } from 'react';
import type { Failure } from '../../model/errors.ts';
import { showToast } from '../../renderer/store/ui.ts';
import type { UndoEntry } from '../../renderer/store/ui.ts';
import { Button } from '../../renderer/components/bits.tsx';
import { AskDialog, Dialog, FormDialog, Verdict } from '../../renderer/components/dialog.tsx';
import { TypedField } from '../../renderer/components/field.tsx';
import { AtPointer, Menu } from '../../renderer/components/menu.tsx';
import type { MenuEntry } from '../../renderer/components/menu.tsx';
import { ProcessList } from '../../renderer/components/process-list.tsx';
import { Toast } from '../../renderer/shell/toast.tsx';
import { LAB_SAMPLE, LONG_NAME, LONG_OWNER } from './lab.ts';
import type { GallerySection } from './state.ts';

const nothing = (): void => undefined;
const alone = { opens: 'nothing' } as const;
const form = { title: 'New slice on hopper', onCancel: nothing, verb: 'Create', onSubmit: nothing };
const Field = ({ value }: { readonly value: string }): ReactElement => (
  <div className="fields">
    <TypedField
      label="Memory limit"
      unit="GiB"
      value={value}
      onType={nothing}
      more={{ 'data-first-focus': true }}
    />
  </div>
);

export const DIALOGS: GallerySection = {
  name: 'dialogs',
  title: 'Dialogs',
  states: [
    {
      name: 'plain',
      alone,
      draw: () => (
        <Dialog
          title="Diagnostics"
          onCancel={nothing}
          onSubmit={nothing}
          actions={<Button onClick={nothing}>Close</Button>}
        >
          <p className="small two">A file that names nobody.</p>
        </Dialog>
      ),
    },
    {
      name: 'form',
      alone,
      draw: () => (
        <FormDialog {...form}>
          <Field value="6.0" />
          <Verdict>18.0 GiB stay free.</Verdict>
        </FormDialog>
      ),
    },
    {
      name: 'form refused',
      alone,
      draw: () => (
        <FormDialog {...form} refusal="Not possible: the GPU has 24.0 GiB.">
          <Field value="600" />
          <Verdict problem="Not possible: the GPU has 24.0 GiB." />
        </FormDialog>
      ),
    },
    {
      name: 'form with a long title',
      alone,
      draw: () => (
        <FormDialog
          {...form}
          title={`Rename ${LONG_NAME} of ${LONG_OWNER}`}
          wide
          byModEnter
          hint="Ctrl+Enter"
        >
          <Field value="6.0" />
        </FormDialog>
      ),
    },
    {
      name: 'question',
      alone,
      draw: () => (
        <AskDialog
          title="Delete train with what runs in it?"
          onCancel={nothing}
          verb="Delete"
          onSubmit={nothing}
        >
          <ProcessList processes={LAB_SAMPLE.processes.slice(0, 3)} />
        </AskDialog>
      ),
    },
    {
      name: 'question refused',
      alone,
      draw: () => (
        <AskDialog
          title="Delete train?"
          onCancel={nothing}
          verb="Delete"
          onSubmit={nothing}
          keep="Keep it"
          refusal="hopper is not connected."
        />
      ),
    },
  ],
};

const ENTRIES: readonly MenuEntry[] = [
  { key: 'rename', label: 'Rename…', hint: 'F2', onPick: nothing },
  { key: 'delete', label: 'Delete', hint: 'Delete', onPick: nothing, refusal: 'hopper is not connected.' },
  { key: 'line', line: true },
  { key: 'heading', heading: 'Give to' },
  { key: 'tom', label: 'tom', onPick: nothing },
  { key: 'long', label: LONG_OWNER.repeat(2), hint: 'Ctrl+Shift+G', onPick: nothing },
];
const CHOICES: readonly MenuEntry[] = [
  { key: 'one', label: 'By host', checked: true, onPick: nothing },
  { key: 'two', label: 'By model', checked: false, onPick: nothing },
  { key: 'line', line: true },
  { key: 'three', label: 'Idle for', checked: true, many: true, onPick: nothing },
  { key: 'four', label: 'Guaranteed %', checked: false, many: true, onPick: nothing },
];
const Opened = ({ entries }: { readonly entries: readonly MenuEntry[] }): ReactElement => (
  <div className="row-of" data-opens="">
    <Menu label="Commands" entries={entries}>
      Commands
    </Menu>
  </div>
);

export const MENUS: GallerySection = {
  name: 'menus',
  title: 'Menus',
  states: [
    {
      name: 'closed',
      draw: () => (
        <Menu label="Commands" entries={ENTRIES}>
          Commands
        </Menu>
      ),
    },
    { name: 'open', alone: { opens: 'click' }, draw: () => <Opened entries={ENTRIES} /> },
    { name: 'choices', alone: { opens: 'click' }, draw: () => <Opened entries={CHOICES} /> },
    {
      name: 'long',
      alone: { opens: 'click' },
      draw: () => (
        <Opened
          entries={Array.from({ length: 60 }, (_, i) => ({
            key: String(i),
            label: `student${String(i)}`,
            onPick: nothing,
          }))}
        />
      ),
    },
    {
      name: 'at the pointer',
      alone: { opens: 'right-click' },
      draw: () => (
        <AtPointer label="Commands of a region" entries={() => ENTRIES}>
          <div className="region" data-opens="">
            A region with commands
          </div>
        </AtPointer>
      ),
    },
  ],
};

const UNDO: UndoEntry = { text: 'train resized', tokens: [], expiresAtMs: Number.MAX_SAFE_INTEGER };
const REFUSED: Failure = {
  code: 'changed-since',
  message: 'The agent on hopper refused: tom changed this slice 3 s ago. Nothing was changed; look again.',
  detail: 'revision 4, expected 3',
};

/** A message as the window shows it: through the store, which has one at a time. */
function Message(props: {
  readonly text: string;
  readonly undo?: UndoEntry;
  readonly failure?: Failure;
}): ReactElement {
  const { text, undo, failure } = props;
  useEffect(() => {
    showToast(text, {
      ...(undo === undefined ? {} : { undo }),
      ...(failure === undefined ? {} : { failure }),
    });
  }, [text, undo, failure]);
  return (
    <section className="toasts" aria-label="Messages">
      <Toast />
    </section>
  );
}

export const MESSAGES: GallerySection = {
  name: 'messages',
  title: 'Messages',
  states: [
    { name: 'done', alone, draw: () => <Message text="Run command copied" /> },
    { name: 'with undo', alone, draw: () => <Message text="train: 12.0 → 16.0 GiB" undo={UNDO} /> },
    {
      name: 'long name',
      alone,
      draw: () => <Message text={`${LONG_NAME} given to ${LONG_OWNER}`} undo={UNDO} />,
    },
    { name: 'refused', alone, draw: () => <Message text={REFUSED.message} failure={REFUSED} /> },
  ],
};
