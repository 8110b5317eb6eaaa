/** Everything the palette can find: commands, hosts, GPUs, slices, people, settings; and answers to one question. */
import { keyLabel } from '../../../model/commands.ts';
import type { Sample } from '../../../model/sample.ts';
import type { HostSnapshot } from '../../../model/model.ts';
import { gib, gibWithUnit } from '../../../model/units.ts';
import { shortGpuName } from '../../domain/gpu-names.ts';
import { moveOutcome } from '../../domain/move.ts';
import { beyondQuota } from '../../domain/quota.ts';
import { terminalRefusal } from '../../domain/terminal-rights.ts';
import { untilChoices } from '../../domain/until.ts';
import { untilText } from '../../domain/when.ts';
import { SETTINGS } from '../../store/setting-list.ts';
import { openDialog, selectHost, setView, showFleet, useUi } from '../../store/ui.ts';
import type { PaletteMode } from '../../store/ui.ts';
import { openView, useViews } from '../../store/views.ts';
import { moveSlice } from '../../acts/move.ts';
import { endSlices, giveSlices } from '../../acts/slices.ts';
import { openTerminal } from '../../acts/terminals.ts';
import type { CommandContext } from '../../commands/context.ts';
import { isMac, keysFor } from '../../commands/keys.ts';
import { shownCommands } from '../../commands/registry.ts';
import type { Bindings } from '../../commands/registry.ts';
import type { Found, Room } from './finder.ts';
import { item } from './item.ts';
import type { PaletteItem } from './item.ts';
import { itemsOn } from './place-items.ts';

type SampleOf = (hostId: string) => Sample | null;

const hostsIn = ({ fleet }: CommandContext): readonly HostSnapshot[] =>
  fleet.order.flatMap((id) => fleet.hosts[id] ?? []);

/** The palette itself and the numbered hosts, which stand there by name, are left out. */
const HIDDEN = /^(palette\.open|host\.\d)$/;

function commandItems(now: Bindings): PaletteItem[] {
  const mac = isMac();
  return shownCommands(now)
    .filter(({ id }) => !HIDDEN.test(id))
    .map((command) => {
      const [key] = keysFor(command);
      const { refusal, run, on } = now[command.id];
      return item(`command ${command.id}`, command.menu, command.title, run, {
        also: 'also' in command ? command.also : '',
        key: key === undefined ? null : keyLabel(key, mac),
        hint: on === true ? 'on' : '',
        refusal,
      });
    });
}

function peopleItems(context: CommandContext): PaletteItem[] {
  const owned = new Map<string, number>();
  for (const host of hostsIn(context)) {
    for (const { owner, memoryLimitBytes } of host.slices) {
      owned.set(owner, (owned.get(owner) ?? 0) + memoryLimitBytes);
    }
  }
  return [...owned].map(([name, bytes]) =>
    item(
      `person ${name}`,
      'People',
      name,
      () => {
        showFleet();
        setView('people');
        useUi.setState({ fleetFilter: name });
      },
      { owner: name, hint: `${gib(bytes)} GiB in slices` },
    ),
  );
}

const settingItems = (): PaletteItem[] =>
  SETTINGS.map(({ id, title, words }) =>
    item(`setting ${id}`, 'Settings', title, () => openDialog({ kind: 'settings', search: title }), {
      also: words,
    }),
  );

const viewItems = (): PaletteItem[] =>
  useViews.getState().items.map((view) =>
    item(`view ${view.name}`, 'Saved views', view.name, () => openView(view), {
      also: 'saved view all hosts',
      hint: view.filter,
    }),
  );

export function allItems(context: CommandContext, now: Bindings): readonly PaletteItem[] {
  return [
    ...commandItems(now),
    ...hostsIn(context).flatMap(itemsOn),
    ...peopleItems(context),
    ...viewItems(),
    ...settingItems(),
  ];
}

function roomItem(room: Room): PaletteItem {
  const { host, gpu, wantedBytes, freeBytes, busyPercent } = room;
  const busy =
    busyPercent === null ? 'use unknown' : busyPercent < 5 ? 'idle' : `${String(busyPercent)} % busy`;
  return item(
    `room ${host.id} ${gpu.uuid}`,
    'Where it fits',
    `${gibWithUnit(wantedBytes)} on ${host.name} · GPU ${String(gpu.index)}`,
    () => {
      selectHost(host.id);
      openDialog({ kind: 'create', hostId: host.id, gpuUuid: gpu.uuid, memoryLimitBytes: wantedBytes });
    },
    {
      hint: `${shortGpuName(gpu)} · ${gib(freeBytes)} free · ${busy}`,
      refusal: room.refusal,
    },
  );
}

export function roomItems({ rooms, largest }: Found): readonly PaletteItem[] {
  if (rooms.length > 0) return rooms.map(roomItem);
  const nothing = (title: string, why: string): PaletteItem =>
    item('room none', 'Where it fits', title, () => undefined, { refusal: why });
  if (largest === null) return [nothing('No live host has a GPU', 'Connect to a host first.')];
  return [
    nothing(
      `${gibWithUnit(largest.wantedBytes)} fit nowhere`,
      `The largest free place is ${gibWithUnit(largest.freeBytes)} on ${largest.host.name}, GPU ${String(largest.gpu.index)}.`,
    ),
  ];
}

/** In which slice a shell is to be: one's own first. */
function terminalItems(host: HostSnapshot): readonly PaletteItem[] {
  const items = host.slices.map((slice) =>
    item(`terminal ${slice.id}`, 'Slices', slice.name, () => void openTerminal(host, slice), {
      owner: slice.owner,
      also: slice.owner,
      hint: gibWithUnit(slice.memoryLimitBytes),
      refusal: terminalRefusal(host, slice),
    }),
  );
  return [...items.filter((one) => one.refusal === null), ...items.filter((one) => one.refusal !== null)];
}

/** Answers to one question: keyboard twins of dragging to a person, another GPU, an end; and a slice for a terminal. */
export function answerItems(
  mode: Exclude<PaletteMode, 'all'>,
  { host, slices }: CommandContext,
  sampleOf: SampleOf,
  now: Date,
): readonly PaletteItem[] {
  if (mode === 'terminal') return host === null ? [] : terminalItems(host);
  const [first] = slices;
  if (first === undefined) return [];
  if (mode === 'give') {
    const names = [...new Set(slices.flatMap(({ host }) => host.people.map((person) => person.name)))];
    return names.map((name) => {
      const owns = slices.every(({ slice }) => slice.owner === name);
      const missing = slices.find(({ host }) => !host.people.some((person) => person.name === name));
      return item(`give ${name}`, 'Give to', name, () => void giveSlices(slices, name), {
        owner: name,
        // Of one slice it can be told; several are asked about one by one.
        hint:
          slices.length === 1 && !owns
            ? (beyondQuota(first.host, name, first.slice.memoryLimitBytes, first.slice) ?? '')
            : '',
        refusal: owns
          ? `${name} has ${slices.length === 1 ? 'it' : 'them'} already.`
          : missing === undefined
            ? null
            : `${name} is not known on ${missing.host.name}.`,
      });
    });
  }
  if (mode === 'until') {
    return [
      ...untilChoices(now).map((choice) =>
        item(`until ${choice.key}`, 'Until', choice.label, () => void endSlices(slices, choice.atMs), {
          hint: choice.atMs === null ? '' : untilText(choice.atMs, now.getTime()),
        }),
      ),
      item('until other', 'Until', 'Another time…', () =>
        openDialog({
          kind: 'until',
          slices: slices.map(({ host: on, slice }) => ({ hostId: on.id, sliceId: slice.id })),
        }),
      ),
    ];
  }
  const places = first.host.gpus.map((gpu) => {
    const outcome = moveOutcome(first.host, first.slice, gpu, sampleOf(first.host.id));
    return item(
      `move ${gpu.uuid}`,
      'Move to',
      `GPU ${String(gpu.index)}`,
      () => void moveSlice(first.host, first.slice, gpu),
      {
        also: gpu.name,
        hint: `${shortGpuName(gpu)} · ${outcome.text}`,
        refusal: slices.length > 1 ? 'Several slices are selected; they move one by one.' : outcome.refusal,
      },
    );
  });
  // Enter takes the first: one that can be had, if there is one.
  return [...places.filter((one) => one.refusal === null), ...places.filter((one) => one.refusal !== null)];
}
