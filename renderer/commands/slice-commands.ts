/** Commands of the selected slice, or of all that are picked. */
import { formatLink } from '../../model/links.ts';
import type { Slice } from '../../model/slice.ts';
import type { HostSnapshot } from '../../model/model.ts';
import { editRefusal } from '../domain/rights.ts';
import { neighbourOf } from '../domain/trade.ts';
import { copy } from '../store/ask.ts';
import { runCommandOf } from '../store/linked.ts';
import { openDialog, openPalette, useUi } from '../store/ui.ts';
import { requestDelete } from '../acts/slices.ts';
import type { Bound, CommandContext } from './context.ts';

const NONE = 'Select a slice first.';

/** Where a new slice goes: the GPU in view, else the first one. */
function create({ host, gpu }: CommandContext): Bound {
  const on = gpu ?? host?.gpus[0];
  const refusal =
    host === null
      ? 'Choose a host first.'
      : host.gpus.length === 0
        ? `${host.name} has no GPU to cut.`
        : editRefusal(host);
  return {
    refusal,
    run: () => {
      if (host !== null && on !== undefined) {
        openDialog({ kind: 'create', hostId: host.id, gpuUuid: on.uuid });
      }
    },
  };
}

/** For a course: the host in view, or all that are connected where all are in view. */
function cutCourse({ ui, fleet, host }: CommandContext): Bound {
  const some = Object.values(fleet.hosts).some((one) => editRefusal(one) === null);
  return {
    refusal: some ? null : 'You may change slices on none of the hosts that are connected.',
    run: () => {
      const one = ui.scope === 'host' && host !== null && editRefusal(host) === null ? host.id : null;
      openDialog({ kind: 'course', onHostId: one });
    },
  };
}

export function sliceCommands(context: CommandContext) {
  const { host, slice, slices } = context;
  const single = (
    run: (host: HostSnapshot, slice: Slice) => void,
    edits: boolean,
    more: (host: HostSnapshot, slice: Slice) => string | null = () => null,
  ): Bound => ({
    refusal:
      host === null || slice === null
        ? NONE
        : slices.length > 1
          ? 'Several slices are selected; this is for one.'
          : ((edits ? editRefusal(host) : null) ?? more(host, slice)),
    run: () => {
      if (host !== null && slice !== null) run(host, slice);
    },
  });
  /** For all that are picked: refused when one of them is. */
  const each = (run: () => void): Bound => ({
    refusal:
      slices.length === 0 ? NONE : (slices.map((s) => editRefusal(s.host)).find((r) => r !== null) ?? null),
    run,
  });
  return {
    'slice.new': create(context),
    'slice.course': cutCourse(context),
    'slice.rename': single((h, s) => openDialog({ kind: 'rename-slice', hostId: h.id, sliceId: s.id }), true),
    'slice.resize': each(() =>
      document.querySelector<HTMLInputElement>('.inspector [data-field="memory"]')?.focus(),
    ),
    'slice.trade': single(
      (h, s) => openDialog({ kind: 'trade', hostId: h.id, sliceId: s.id }),
      true,
      (h, s) => (neighbourOf(h, s) === null ? `${s.name} is alone on its GPU.` : null),
    ),
    'slice.give': each(() => openPalette('give')),
    'slice.move': each(() => openPalette('move')),
    'slice.until': each(() => openPalette('until')),
    'slice.copy-run': single((h, s) => void copy(runCommandOf(h, s), 'Run command'), false),
    'slice.copy-link': single(
      (h, s) => void copy(formatLink({ hostName: h.name, gpuUuid: s.gpuUuid, sliceId: s.id }), 'Link'),
      false,
    ),
    'slice.audit': single((_h, s) => useUi.setState({ dock: 'audit', auditSliceId: s.id }), false),
    'slice.delete': each(() => {
      const [first] = slices;
      if (slices.length > 1) {
        openDialog({
          kind: 'delete-many',
          slices: slices.map((s) => ({ hostId: s.host.id, sliceId: s.slice.id })),
        });
      } else if (first !== undefined) requestDelete(first.host, first.slice);
    }),
  } as const;
}
