/** Context menus out of the registry: ids in, entries with key and reason out. */
import { commandSpec, keyLabel } from '../../model/commands.ts';
import type { CommandId } from '../../model/commands.ts';
import type { MenuEntry } from '../components/menu.tsx';
import { pickJob, select, selectHost, useUi } from '../store/ui.ts';
import { isMac, keysFor } from './keys.ts';
import { bindings } from './registry.ts';

export const SLICE_MENU: readonly (CommandId | null)[] = [
  'slice.rename',
  'slice.resize',
  'slice.trade',
  null,
  'slice.give',
  'slice.move',
  'slice.until',
  null,
  'job.run',
  'terminal.open',
  'slice.copy-run',
  'slice.copy-link',
  'slice.audit',
  null,
  'slice.delete',
];
export const JOB_MENU: readonly (CommandId | null)[] = [
  'job.log',
  'job.copy-log',
  'job.again',
  null,
  'job.first',
  'job.hold',
  'job.release',
  null,
  'job.low',
  'job.normal',
  'job.high',
  null,
  'job.cancel',
];
export const GPU_MENU: readonly (CommandId | null)[] = [
  'slice.new',
  null,
  'view.bars',
  'view.charts',
  'view.table',
];
export const HOST_MENU: readonly (CommandId | null)[] = [
  'host.open',
  'host.close',
  'host.retry',
  null,
  'slice.new',
  'slice.course',
  'host.deploy',
  'host.link',
  'host.tags',
  'host.quota',
  null,
  'dock.audit',
  'host.roll-back',
  'host.remove-agent',
  'host.forget',
];

export function commandKey(id: CommandId): string | undefined {
  const [key] = keysFor(commandSpec(id));
  return key === undefined ? undefined : keyLabel(key, isMac());
}

/** null in the list is a line. */
export function menuEntries(ids: readonly (CommandId | null)[]): readonly MenuEntry[] {
  const now = bindings();
  return ids.map((id, index): MenuEntry => {
    if (id === null) return { key: `line ${String(index)}`, line: true };
    const { refusal, run, on } = now[id];
    return {
      key: id,
      label: commandSpec(id).title,
      hint: commandKey(id),
      refusal,
      onPick: run,
      ...(on === undefined ? {} : { checked: on }),
    };
  });
}

/** Takes what was hit as selected, unless it is one of several that are picked, and gives its commands. */
export function sliceEntries(hostId: string, sliceId: string): readonly MenuEntry[] {
  const { picked } = useUi.getState();
  if (!picked.some((one) => one.sliceId === sliceId && one.hostId === hostId)) {
    select(hostId, { kind: 'slice', id: sliceId });
  }
  return menuEntries(SLICE_MENU);
}

export function jobEntries(jobId: string): readonly MenuEntry[] {
  pickJob(jobId);
  return menuEntries(JOB_MENU);
}

export function gpuEntries(hostId: string, uuid: string): readonly MenuEntry[] {
  select(hostId, { kind: 'gpu', uuid });
  return menuEntries(GPU_MENU);
}

export function hostEntries(hostId: string): readonly MenuEntry[] {
  selectHost(hostId);
  return menuEntries(HOST_MENU);
}

/** The nearest of these around what was hit: `data-slice`, `data-host`. */
export const around = (hit: Element, name: 'slice' | 'host'): string | null =>
  hit.closest(`[data-${name}]`)?.getAttribute(`data-${name}`) ?? null;
