/** The `?` sheet: every command with its keys, which can be changed, and the keys of what is focused. */
import { useEffect, useState } from 'react';
import type { ReactElement } from 'react';
import { MENUS, keyLabel } from '../../../model/commands.ts';
import type { CommandId, CommandSpec } from '../../../model/commands.ts';
import { commandWithKeys, isMac, keysFor, pressedKeys } from '../../commands/keys.ts';
import { bindings, shownCommands } from '../../commands/registry.ts';
import { Button } from '../../components/bits.tsx';
import { Dialog } from '../../components/dialog.tsx';
import { changeSettings, useSettings } from '../../store/settings.ts';
import { closeDialog } from '../../store/ui.ts';

/** What a focused thing hears by itself. */
const LOCAL: readonly (readonly [string, string])[] = [
  ['← →', 'On a slice: its limit, by half a GiB'],
  ['Shift ← →', 'By five GiB'],
  ['Alt ← →', 'Trade with the neighbour'],
  ['Enter', 'On a slice: type its limit. In a row: show it'],
  ['Space', 'On a slice or row: select it'],
  ['Ctrl Space', 'Add it to those selected'],
  ['I T K', 'In a process row: interrupt, stop, kill'],
  ['Ctrl Shift C, V', 'In a terminal: copy, paste'],
  ['Shift PgUp', 'In a terminal: what was before'],
  ['Esc', 'Close one layer'],
];

function setKeys(id: CommandId, keys: string | null): void {
  const { [id]: _before, ...others } = useSettings.getState().keys;
  changeSettings({ keys: keys === null ? others : { ...others, [id]: keys } });
}

/** Hears the next keys for one command, before anything else does. */
function useCapture(id: CommandId | null, done: (problem: string | null) => void): void {
  useEffect(() => {
    if (id === null) return undefined;
    const onKey = (event: KeyboardEvent): void => {
      event.preventDefault();
      event.stopPropagation();
      if (event.key === 'Escape') {
        done(null);
        return;
      }
      if (event.key === 'Backspace') {
        setKeys(id, '');
        done(null);
        return;
      }
      const keys = pressedKeys(event, isMac());
      if (keys === null) return;
      const taken = commandWithKeys(keys, id);
      if (taken === null) setKeys(id, keys);
      done(taken === null ? null : `${keyLabel(keys, isMac())} is taken by “${taken.title}”.`);
    };
    window.addEventListener('keydown', onKey, true);
    return () => window.removeEventListener('keydown', onKey, true);
  }, [id]);
}

export function KeysSheet(): ReactElement {
  const own = useSettings((s) => s.keys);
  const shown = shownCommands(bindings());
  const [asked, setAsked] = useState<CommandId | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  useCapture(asked, (why) => {
    setAsked(null);
    setProblem(why);
  });
  const ask = (id: CommandId): void => {
    setProblem(null);
    setAsked(id);
  };
  return (
    <Dialog
      title="Keys"
      wide
      onCancel={closeDialog}
      onSubmit={closeDialog}
      actions={
        <>
          <p className={`small grow ${problem === null ? 'two' : 'bad'}`} role="status">
            {problem ??
              (asked === null
                ? 'Change stands beside each command under the pointer, or on Tab.'
                : 'Press the new keys. Esc leaves it, Backspace takes it away.')}
          </p>
          {Object.keys(own).length > 0 && (
            <Button onClick={() => changeSettings({ keys: {} })}>Reset all</Button>
          )}
          <Button kind="primary" onClick={closeDialog} autoFocus>
            Close
          </Button>
        </>
      }
    >
      <div className="keys-columns" role="group" aria-label="Commands and their keys" tabIndex={0}>
        {MENUS.map((menu) => (
          <section key={menu}>
            <h3>{menu}</h3>
            <dl>
              {shown
                .filter((command) => command.menu === menu)
                .map((command) => (
                  <div key={command.id}>
                    <dt>{command.title}</dt>
                    <dd>
                      {asked === command.id ? (
                        <span className="two">press…</span>
                      ) : (
                        <Keys command={command} />
                      )}
                      <button
                        type="button"
                        className="text-act"
                        aria-label={`Change the keys of ${command.title}`}
                        onClick={() => ask(command.id)}
                      >
                        Change
                      </button>
                    </dd>
                  </div>
                ))}
            </dl>
          </section>
        ))}
        <section>
          <h3>On what is focused</h3>
          <dl>
            {LOCAL.map(([key, text]) => (
              <div key={key}>
                <dt>{text}</dt>
                <dd>
                  <kbd>{key}</kbd>
                </dd>
              </div>
            ))}
          </dl>
        </section>
      </div>
    </Dialog>
  );
}

function Keys({ command }: { readonly command: CommandSpec }): ReactElement {
  return (
    <>
      {keysFor(command)
        // The same sign, as keyboards send it that need Shift for it.
        .filter((keys) => keys !== 'Shift+?')
        .map((keys) => (
          <kbd key={keys}>{keyLabel(keys, isMac())}</kbd>
        ))}
    </>
  );
}
