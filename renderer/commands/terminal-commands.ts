/** Commands of terminals: one is opened in a slice, and one key leads into the panel and out of it. */
import type { Slice } from '../../model/slice.ts';
import { usableSlices } from '../domain/job-rights.ts';
import { terminalRefusal } from '../domain/terminal-rights.ts';
import { shownTab } from '../store/terminals.ts';
import { useUi } from '../store/ui.ts';
import { openInSelected, toggleTerminal } from '../acts/terminal-panel.ts';
import { openTerminal } from '../acts/terminals.ts';
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

/** In the selected slice; with none selected it is asked in which. */
function open(context: CommandContext): Bound {
  const { host, slice } = context;
  const first = host === null ? undefined : usableSlices(host)[0];
  const { refusal } = openIn(context, slice ?? first);
  return {
    refusal,
    run: () => {
      if (host === null) return;
      useUi.setState({ dock: 'terminal', scope: 'host' });
      openInSelected(host);
    },
  };
}

export function terminalCommands(context: CommandContext) {
  const { host, slice, ui } = context;
  const first = host === null ? undefined : usableSlices(host)[0];
  const beside = host === null ? undefined : host.slices.find((s) => s.id === shownTab(host.id)?.sliceId);
  return {
    'terminal.open': open(context),
    // Beside the one in view.
    'terminal.new': openIn(context, beside ?? slice ?? first),
    'terminal.show': {
      refusal: host === null ? 'Choose a host first.' : null,
      run: () => {
        if (host !== null) void toggleTerminal(host);
      },
      on: ui.dock === 'terminal',
    },
  } as const satisfies Record<string, Bound>;
}
