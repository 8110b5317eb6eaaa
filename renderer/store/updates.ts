/** What is known of a newer version of the app. The main process owns it; this mirrors it, and asks. */
import { create } from 'zustand';
import type { UpdateAct, UpdateState } from '../../model/updates.ts';
import { ask, request } from './ask.ts';
import { openDialog, showToast, useUi } from './ui.ts';

export const useUpdates = create<{ readonly state: UpdateState }>(() => ({ state: { kind: 'off' } }));

export async function startUpdates(): Promise<void> {
  const answer = await request('update:get', {});
  if (answer.ok) useUpdates.setState({ state: answer.value });
}

/** What is found while nobody asked is said in passing, once; with the dialog open, the dialog says it. */
export function noteUpdate(state: UpdateState): void {
  useUpdates.setState({ state });
  if (state.kind === 'available' && useUi.getState().dialog?.kind !== 'update')
    showToast(`Tranche ${state.version} is there: Help, Check for updates.`);
}

export const actOnUpdate = (act: UpdateAct): void => void ask('update:act', { act });

/** Opens the dialog; looks, unless something is under way or waits to be decided. */
export function lookForUpdates(): void {
  const { kind } = useUpdates.getState().state;
  openDialog({ kind: 'update' });
  if (kind === 'idle' || kind === 'current' || kind === 'failed') actOnUpdate('check');
}
