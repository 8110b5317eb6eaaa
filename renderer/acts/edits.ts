/** Edits of slices: what was done becomes a toast with Undo, and is kept to be taken back and done again. */
import type { Failure, Result } from '../../model/errors.ts';
import { UNDO_LIFE_MS } from '../../model/limits.ts';
import type { HostId, SliceEdit } from '../../model/model.ts';
import { request, sayFailure } from '../store/ask.ts';
import * as ui from '../store/ui.ts';

/** Clocks of host and desktop may differ, so we count our own. */
const ownExpiryMs = (): number => Date.now() + UNDO_LIFE_MS;

/** Who waits to hear whether an edit is meant over the quota. */
let answer: ((isMeant: boolean) => void) | null = null;

export function answerOverQuota(isMeant: boolean): void {
  ui.closeDialog();
  answer?.(isMeant);
  answer = null;
}

/** Refused for nothing but a person's quota: asked again, over it, when the user says so. */
export async function withinQuota<T>(
  work: (more: { readonly overQuota?: true }) => Promise<Result<T>>,
): Promise<Result<T>> {
  const first = await work({});
  if (first.ok || first.error.code !== 'quota-exceeded') return first;
  const { message } = first.error;
  // A question that nobody can see any more is answered with no.
  answer?.(false);
  const meant = await new Promise<boolean>((resolve) => {
    answer = resolve;
    ui.openDialog({ kind: 'over-quota', message });
  });
  return meant ? work({ overQuota: true }) : first;
}

/** An edit of a slice: applied at once, undone from the toast or with Ctrl+Z. */
export async function edit(
  hostId: HostId,
  text: string,
  asked: Promise<Result<SliceEdit>>,
): Promise<SliceEdit | null> {
  const result = await asked;
  if (!result.ok) {
    sayFailure(result.error);
    return null;
  }
  edited(hostId, result.value.sliceId, text, [result.value.undoToken]);
  return result.value;
}

/** Says what was done and keeps how it is taken back. `undoTokens`: in the order in which they are to be used. */
export function edited(hostId: HostId, sliceId: string, text: string, undoTokens: readonly string[]): void {
  const undo = keepUndo(
    text,
    undoTokens.map((undoToken) => ({ hostId, undoToken })),
  );
  ui.showToast(text, { undo });
  ui.logEvent({ hostId, sliceId, atMs: Date.now(), tone: 'plain', text });
}

/** Keeps how an act is taken back. `tokens`: in the order in which they are to be used, over as many hosts as it was. */
export function keepUndo(
  text: string,
  tokens: readonly ui.UndoToken[],
  more: Pick<ui.UndoEntry, 'apart'> = {},
): ui.UndoEntry {
  const undo: ui.UndoEntry = { tokens, text, expiresAtMs: ownExpiryMs(), ...more };
  ui.pushUndo(undo);
  return undo;
}

/** Takes back an edit. The reply carries the token that does it again. */
export async function undoEdit(entry: ui.UndoEntry): Promise<void> {
  ui.useUi.setState((s) => ({ undo: s.undo.filter((e) => e !== entry), toast: null }));
  await applyInverse(entry, 'Undone: ', ui.pushRedo);
}

async function applyInverse(
  entry: ui.UndoEntry,
  prefix: string,
  keep: (inverse: ui.UndoEntry) => void,
): Promise<void> {
  const inverse: ui.UndoToken[] = [];
  let failure: Failure | null = null;
  for (const { hostId, undoToken } of entry.tokens) {
    const result = await withinQuota((more) => request('slice:undo', { hostId, undoToken, ...more }));
    if (result.ok) inverse.unshift({ hostId, undoToken: result.value.undoToken });
    else failure ??= result.error;
    if (failure !== null && entry.apart !== true) break;
  }
  // What was taken back beside a refusal can be done again, too.
  if (inverse.length > 0) keep({ ...entry, tokens: inverse, expiresAtMs: ownExpiryMs() });
  if (failure !== null) {
    const { length } = entry.tokens;
    const far =
      length === 1
        ? ''
        : ` ${String(inverse.length)} of ${String(length)} edits went through; the rest is as it was.`;
    sayFailure({ ...failure, message: `${failure.message}${far}` });
    return;
  }
  ui.showToast(`${prefix}${entry.text}`);
}

export async function undoLatest(): Promise<void> {
  const entry = ui.takeLatest('undo');
  if (entry === null) ui.showToast('Nothing to undo.');
  else await undoEdit(entry);
}

export async function redoLatest(): Promise<void> {
  const entry = ui.takeLatest('redo');
  if (entry === null) ui.showToast('Nothing to redo.');
  else await applyInverse(entry, 'Done again: ', ui.pushUndo);
}
