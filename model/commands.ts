/**
 * Every command there is: its name, its place in the menu bar, its keys. The window binds each id to what it does and to
 * why it may be refused at the moment; menu bar, context menus, palette, key sheet and tests all read this one table.
 */

export const MENUS = ['File', 'Edit', 'View', 'Host', 'Slice', 'Job', 'Help'] as const;
export type MenuName = (typeof MENUS)[number];

export interface CommandSpec {
  readonly id: string;
  readonly title: string;
  readonly menu: MenuName;
  /** Entries of one section stand together; a line separates sections. */
  readonly section: number;
  /** In the grammar of tinykeys; the first one is shown. `$mod` is Cmd on macOS, Ctrl elsewhere. */
  readonly keys: readonly string[];
  /** Keys for macOS, where they differ. */
  readonly macKeys?: readonly string[];
  /** A choice among others: shown with a mark when it is the one. */
  readonly choice?: true;
  /** Not there on every desktop: shown only where the window says that it is. */
  readonly optional?: true;
  /** Words people look for that are not in the title. */
  readonly also?: string;
}

const spec = <Id extends string>(
  id: Id,
  title: string,
  menu: MenuName,
  section: number,
  keys: readonly string[] = [],
  more: Pick<CommandSpec, 'macKeys' | 'choice' | 'also' | 'optional'> = {},
): CommandSpec & { readonly id: Id } => ({ id, title, menu, section, keys, ...more });

const DIGITS = [1, 2, 3, 4, 5, 6, 7, 8, 9] as const;
const choice = { choice: true } as const;

export const COMMANDS = [
  // A browser keeps Ctrl+N for itself: the bare letter works everywhere.
  spec('slice.new', 'New slice…', 'File', 0, ['$mod+n', 'n'], { also: 'create cut' }),
  spec('slice.course', 'Cut for a course…', 'File', 0, [], {
    also: 'template students class people several',
  }),
  spec('host.connect', 'Connect to a host…', 'File', 0, ['$mod+Shift+o'], { also: 'add ssh open' }),
  spec('demo.toggle', 'Start or stop the demo lab', 'File', 0),
  spec('app.settings', 'Settings…', 'File', 1, ['$mod+,'], { also: 'preferences theme options' }),
  spec('app.diagnostics', 'Save diagnostics…', 'File', 1, [], { also: 'bundle support report' }),

  spec('edit.undo', 'Undo the last edit', 'Edit', 0, ['$mod+z']),
  spec('edit.redo', 'Redo', 'Edit', 0, ['$mod+Shift+z', '$mod+y']),
  spec('palette.open', 'Search and run…', 'Edit', 1, ['$mod+k', '$mod+Shift+p'], { also: 'palette find go' }),
  spec('filter.focus', 'Filter', 'Edit', 1, ['/', '$mod+f']),
  spec('selection.all', 'Select all slices in view', 'Edit', 2, ['$mod+a']),
  spec('selection.none', 'Select nothing', 'Edit', 2),

  spec('view.bars', 'Bars', 'View', 0, ['Alt+Digit1'], choice),
  spec('view.charts', 'Charts', 'View', 0, ['Alt+Digit2'], choice),
  spec('view.table', 'Table', 'View', 0, ['Alt+Digit3'], choice),
  spec('view.people', 'People', 'View', 0, ['Alt+Digit4'], choice),
  spec('view.fleet', 'All hosts', 'View', 1, ['h', '$mod+Shift+h'], { also: 'fleet overview' }),
  spec('view.pause', 'Pause or go on', 'View', 2, ['Space'], { also: 'freeze live' }),
  spec('view.zoom-out', 'Charts: show the whole range', 'View', 2, ['0'], { also: 'zoom reset' }),
  spec('view.older', 'Charts: older', 'View', 2, ['['], { also: 'pan back left history' }),
  spec('view.newer', 'Charts: newer', 'View', 2, [']'], { also: 'pan forward right' }),
  spec('view.resample', 'Ask for everything again', 'View', 2, ['F5'], { also: 'refresh reload resample' }),
  spec('range.1m', 'Range: 1 minute', 'View', 3, [], choice),
  spec('range.5m', 'Range: 5 minutes', 'View', 3, [], choice),
  spec('range.15m', 'Range: 15 minutes', 'View', 3, [], choice),
  spec('range.1h', 'Range: 1 hour', 'View', 3, [], choice),
  spec('range.24h', 'Range: 24 hours', 'View', 3, [], choice),
  spec('range.7d', 'Range: 7 days', 'View', 3, [], choice),
  spec('notices.pause', 'Pause notices', 'View', 5, [], { also: 'do not disturb mute' }),
  spec('dock.jobs', 'Jobs below', 'View', 4, [], { choice: true, also: 'queue line' }),
  spec('dock.processes', 'Processes below', 'View', 4, [], choice),
  spec('dock.events', 'Events below', 'View', 4, [], choice),
  spec('dock.audit', 'Audit below', 'View', 4, [], { choice: true, also: 'who changed history' }),
  spec('terminal.show', 'Show terminal', 'View', 4, ['$mod+`'], { choice: true, also: 'shell console' }),

  spec('host.open', 'Connect', 'Host', 0),
  spec('host.close', 'Disconnect', 'Host', 0),
  spec('host.retry', 'Retry now', 'Host', 0),
  spec('host.deploy', 'Install or upgrade the agent', 'Host', 1),
  spec('host.link', 'Link as ~/.local/bin/tranche', 'Host', 1),
  spec('host.tags', 'Tags…', 'Host', 1, [], { also: 'group label' }),
  spec('host.quota', 'Set quota…', 'Host', 1, [], { also: 'quotas limit person group people' }),
  spec('host.roll-back', 'Go back to the agent before…', 'Host', 2, [], {
    also: 'rollback downgrade version',
  }),
  spec('host.remove-agent', 'Remove the agent…', 'Host', 2),
  spec('host.forget', 'Forget or hide this host', 'Host', 2),
  ...DIGITS.map((n) => spec(`host.${n}`, `Host ${String(n)}`, 'Host', 3, [`$mod+${String(n)}`])),

  spec('slice.rename', 'Rename…', 'Slice', 0, ['F2']),
  spec('slice.resize', 'Type a memory limit…', 'Slice', 0, [], { also: 'resize grow shrink' }),
  spec('slice.trade', 'Trade memory with the neighbour…', 'Slice', 0, ['x'], { also: 'swap' }),
  spec('slice.give', 'Give to…', 'Slice', 1, ['g'], { also: 'owner assign hand over person' }),
  spec('slice.move', 'Move to…', 'Slice', 1, ['m'], { also: 'another gpu' }),
  spec('slice.until', 'Until…', 'Slice', 1, ['u'], { also: 'expiry end date friday' }),
  spec('terminal.open', 'Open terminal in slice…', 'Slice', 2, [], { also: 'shell console ssh' }),
  spec('terminal.new', 'New terminal', 'Slice', 2, [], { also: 'another shell console' }),
  spec('slice.copy-run', 'Copy the run command', 'Slice', 2, ['$mod+Shift+c']),
  spec('slice.copy-link', 'Copy a link to it', 'Slice', 2, [], { also: 'deep link url' }),
  spec('slice.audit', 'Who changed it', 'Slice', 2, [], { also: 'audit history' }),
  spec('slice.delete', 'Delete', 'Slice', 3, ['Delete'], {
    macKeys: ['Backspace', 'Delete'],
    also: 'remove',
  }),

  spec('job.run', 'Run in slice…', 'Job', 0, ['r'], { also: 'launch start job command queue submit' }),
  spec('job.again', 'Run again…', 'Job', 0, [], { also: 'rerun restart repeat once more' }),
  spec('job.log', 'Show log', 'Job', 1, ['l'], { also: 'output stdout tail follow' }),
  spec('job.copy-log', 'Copy the log command', 'Job', 1, [], { also: 'tranche job log' }),
  spec('job.first', 'Move to the front', 'Job', 2, [], { also: 'reorder first queue' }),
  spec('job.hold', 'Hold', 'Job', 2, [], { also: 'pause queue' }),
  spec('job.release', 'Release', 'Job', 2, [], { also: 'unhold queue' }),
  spec('job.low', 'Priority: low', 'Job', 3, [], choice),
  spec('job.normal', 'Priority: normal', 'Job', 3, [], choice),
  spec('job.high', 'Priority: high', 'Job', 3, [], choice),
  spec('job.cancel', 'Cancel job…', 'Job', 4, [], { also: 'stop kill end' }),

  spec('help.keys', 'Keys', 'Help', 0, ['?', 'Shift+?'], { also: 'shortcuts keyboard' }),
  spec('app.update', 'Check for updates…', 'Help', 1, [], { optional: true, also: 'upgrade version' }),
] as const satisfies readonly CommandSpec[];

export type CommandId = (typeof COMMANDS)[number]['id'];
export const COMMAND_IDS = COMMANDS.map((command) => command.id) as readonly CommandId[];

export const isCommandId = (text: string): text is CommandId =>
  (COMMAND_IDS as readonly string[]).includes(text);

const byId = new Map<string, CommandSpec>(COMMANDS.map((command) => [command.id, command]));
export function commandSpec(id: CommandId): CommandSpec {
  const found = byId.get(id);
  if (found === undefined) throw new Error(`no command ${id}`);
  return found;
}

export const keysOf = (command: CommandSpec, mac: boolean): readonly string[] =>
  (mac ? command.macKeys : undefined) ?? command.keys;

const NAMES: Readonly<Record<string, string>> = { Space: 'Space', Delete: 'Del', Backspace: '⌫' };
const bare = (key: string): string => NAMES[key] ?? key.replace(/^Digit|^Key/, '');

/** `Ctrl K`, `⌘K`, `?`: what the screen shows. */
export function keyLabel(keys: string, mac: boolean): string {
  const parts = keys.split('+');
  const last = parts.pop() ?? '';
  const words = parts.map((part) =>
    part === '$mod'
      ? mac
        ? '⌘'
        : 'Ctrl'
      : part === 'Shift'
        ? mac
          ? '⇧'
          : 'Shift'
        : mac && part === 'Alt'
          ? '⌥'
          : part,
  );
  const shown = last.length === 1 ? last.toUpperCase() : bare(last);
  return mac ? `${words.join('')}${shown}` : [...words, shown].join(' ');
}

/** The same in the words of Electron's menus; null where a menu cannot show it. */
export function accelerator(keys: string | undefined): string | null {
  if (keys === undefined) return null;
  const parts = keys.split('+');
  const last = bare(parts.pop() ?? '')
    .replace(/^Del$/, 'Delete')
    .replace('⌫', 'Backspace');
  const words = parts.map((part) => (part === '$mod' ? 'CmdOrCtrl' : part));
  return [...words, last.length === 1 ? last.toUpperCase() : last].join('+');
}

/** The menu bar: entries in the order of the table, sections apart. */
export function menuSections(menu: MenuName): readonly (readonly CommandSpec[])[] {
  const sections = new Map<number, CommandSpec[]>();
  for (const command of COMMANDS) {
    if (command.menu !== menu) continue;
    sections.set(command.section, [...(sections.get(command.section) ?? []), command]);
  }
  return [...sections.values()];
}
