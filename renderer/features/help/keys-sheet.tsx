/** The `?` sheet: every command that has a key, from the registry, and the keys of what is focused. */
import type { ReactElement } from 'react';
import { COMMANDS, MENUS, keyLabel, keysOf } from '../../../model/commands.ts';
import { isMac } from '../../commands/keys.ts';
import { Button } from '../../components/bits.tsx';
import { Dialog } from '../../components/dialog.tsx';
import { openDialog } from '../../store/ui.ts';

const close = (): void => openDialog(null);

/** What a focused thing hears by itself. */
const LOCAL: readonly (readonly [string, string])[] = [
  ['← →', 'On a slice: its limit, by half a GiB'],
  ['Shift ← →', 'By five GiB'],
  ['Alt ← →', 'Trade with the neighbour'],
  ['Enter', 'On a slice: type its limit. In a row: show it'],
  ['Space', 'On a slice or row: select it'],
  ['Ctrl Space', 'Add it to those selected'],
  ['I T K', 'In a process row: interrupt, stop, kill'],
  ['Esc', 'Close one layer'],
];

export function KeysSheet(): ReactElement {
  const mac = isMac();
  const groups = MENUS.map((menu) => ({
    menu,
    rows: COMMANDS.filter((command) => command.menu === menu && command.keys.length > 0),
  })).filter((group) => group.rows.length > 0);
  return (
    <Dialog
      title="Keys"
      wide
      onCancel={close}
      onSubmit={close}
      actions={
        <Button kind="primary" onClick={close} autoFocus>
          Close
        </Button>
      }
    >
      <div className="keys-columns">
        {groups.map(({ menu, rows }) => (
          <section key={menu}>
            <h3>{menu}</h3>
            <dl>
              {rows.map((command) => (
                <div key={command.id}>
                  <dt>{command.title}</dt>
                  <dd>
                    {keysOf(command, mac)
                      // The same sign, as keyboards send it that need Shift for it.
                      .filter((keys) => keys !== 'Shift+?')
                      .map((keys) => (
                        <kbd key={keys}>{keyLabel(keys, mac)}</kbd>
                      ))}
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
