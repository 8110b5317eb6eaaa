/** The one registry: each command of model/commands.ts with what it does now, or why it does nothing. */
import { COMMANDS } from '../../model/commands.ts';
import type { CommandId, CommandSpec } from '../../model/commands.ts';
import { useSettings } from '../store/settings.ts';
import { showToast } from '../store/ui.ts';
import { appCommands } from './app-commands.ts';
import type { Bound, CommandContext } from './context.ts';
import { commandContext } from './context.ts';
import { jobCommands } from './job-commands.ts';
import { hostCommands } from './host-commands.ts';
import { sliceCommands } from './slice-commands.ts';
import { terminalCommands } from './terminal-commands.ts';

export type Bindings = Readonly<Record<CommandId, Bound>>;

/** The type makes a command without a binding an error. */
export const bindings = (context: CommandContext = commandContext()): Bindings => ({
  ...appCommands(context),
  ...hostCommands(context),
  ...sliceCommands(context),
  ...jobCommands(context),
  ...terminalCommands(context),
});

/** Those that are there: an optional one only where something stands behind it. */
export const shownCommands = (now: Bindings): readonly (CommandSpec & { readonly id: CommandId })[] =>
  COMMANDS.filter(
    (command: CommandSpec) => command.optional !== true || now[command.id as CommandId].present === true,
  );

/** From a menu, the palette or a key. What is refused says why. */
export function runCommand(id: CommandId): void {
  const { refusal, run } = bindings()[id];
  if (refusal === null) run();
  else showToast(refusal);
}

/** What the menu bar shows. */
export function menuState(now: Bindings): {
  readonly off: { id: string; why: string }[];
  readonly on: string[];
  readonly present: string[];
  readonly keys: { id: string; keys: string }[];
} {
  return {
    off: COMMANDS.flatMap(({ id }) => {
      const why = now[id].refusal;
      return why === null ? [] : [{ id, why: why.slice(0, 300) }];
    }),
    on: COMMANDS.filter(({ id }) => now[id].on === true).map(({ id }) => id),
    present: COMMANDS.filter(({ id }) => now[id].present === true).map(({ id }) => id),
    keys: Object.entries(useSettings.getState().keys).map(([id, keys]) => ({ id, keys })),
  };
}
