/** Commands of terminals: one is opened in a slice, and one key leads into the panel and out of it. */
import { usableSlices } from '../features/jobs/job-actions.ts';
import { terminalRefusal, toggleTerminal } from '../features/terminal/terminal-acts.ts';
import { openTerminal, shownTab } from '../features/terminal/terminals.ts';
import type { Slice } from '../../model/model.ts';
import type { Bound, CommandContext } from './context.ts';

function openIn(context: CommandContext, into: Slice | undefined): Bound {
  const { host, slices } = context;
  const refusal =
    host === null
      ? 'Choose a host first.'
      : slices.length > 1
        ? 'Several slices are selected; a terminal is in one.'
        : into === undefined
          ? `You have no slice on ${host.name} to open a terminal in.`
          : terminalRefusal(host, into);
  return {
    refusal,
    run: () => {
      if (host !== null && into !== undefined) void openTerminal(host, into);
    },
  };
}

export function terminalCommands(context: CommandContext) {
  const { host, slice, ui } = context;
  const first = host === null ? undefined : usableSlices(host)[0];
  const beside = host === null ? undefined : host.slices.find((s) => s.id === shownTab(host.id)?.sliceId);
  return {
    'terminal.open': openIn(context, slice ?? first),
    // Beside the one in view.
    'terminal.new': openIn(context, beside ?? slice ?? first),
    'terminal.show': {
      refusal: host === null ? 'Choose a host first.' : null,
      run: toggleTerminal,
      on: ui.dock === 'terminal',
    },
  } as const satisfies Record<string, Bound>;
}
