/** Everything the window can ask the core for; a failure becomes a toast that says why. */
import { passedAs } from '../../model/channels.ts';
import type { Failure, Result } from '../../model/errors.ts';
import type { RequestArgs, RequestChannel, RequestValues, TrancheApi } from '../../model/ipc.ts';
import type { SliceEdit } from '../../model/model.ts';
import { newestOf, noteEdit } from './own-edits.ts';
import { showToast } from './ui.ts';

let api: TrancheApi | null = null;

/** Once, before anything is asked. */
export function askThrough(opened: TrancheApi): void {
  api = opened;
}

export async function request<C extends RequestChannel>(
  channel: C,
  args: RequestArgs<C>,
): Promise<Result<RequestValues[C]>> {
  if (api === null) throw new Error('request before start');
  const { hostId, sliceId, revision } = args as Partial<RequestArgs<'slice:rename'>>;
  const seen = hostId !== undefined && sliceId !== undefined && typeof revision === 'number';
  const result = await api.request(
    channel,
    seen ? { ...args, revision: newestOf(hostId, sliceId, revision) } : args,
  );
  if (result.ok && hostId !== undefined && passedAs(channel)?.reply === 'edit')
    noteEdit(hostId, result.value as SliceEdit);
  return result;
}

export const about = (): { platform: string; appVersion: string; transport: string } => ({
  platform: api?.platform ?? '',
  appVersion: api?.appVersion ?? '',
  transport: api?.transport ?? '',
});

/** Asks, and says so when it is refused. */
export async function ask<C extends RequestChannel>(
  channel: C,
  args: RequestArgs<C>,
): Promise<RequestValues[C] | null> {
  const result = await request(channel, args);
  if (result.ok) return result.value;
  sayFailure(result.error);
  return null;
}

export const sayFailure = (failure: Failure): void => showToast(failure.message, { failure });

export async function copy(text: string, what: string): Promise<void> {
  const done = (await api?.copyText(text)) ?? false;
  showToast(done ? `${what} copied` : `${what} could not be copied: the system refused the clipboard.`);
}
