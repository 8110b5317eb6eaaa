/** Bars, charts, table, people: the same switch over one host and over all. */
import type { ReactElement } from 'react';
import { VIEWS, useUi } from '../store/ui.ts';
import type { ViewName } from '../store/ui.ts';
import { commandKey } from '../commands/menu-entries.ts';
import { runCommand } from '../commands/registry.ts';

const WORDS: Readonly<Record<ViewName, string>> = {
  bars: 'Bars',
  charts: 'Charts',
  table: 'Table',
  people: 'People',
};

export function ViewSwitch(): ReactElement {
  const view = useUi((s) => s.view);
  return (
    <div className="seg-ctl view-switch" role="group" aria-label="View">
      {VIEWS.map((name) => (
        <button
          key={name}
          type="button"
          aria-pressed={view === name}
          title={commandKey(`view.${name}`)}
          onClick={() => runCommand(`view.${name}`)}
        >
          {WORDS[name]}
        </button>
      ))}
    </div>
  );
}
