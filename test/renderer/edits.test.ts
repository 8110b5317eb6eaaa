import { beforeEach, describe, expect, it } from 'vitest';
import { fail, ok } from '../../model/errors.ts';
import type { Result } from '../../model/errors.ts';
import type { TrancheApi } from '../../model/ipc.ts';
import { answerOverQuota, redoLatest, undoLatest } from '../../renderer/acts/edits.ts';
import { deleteSlices, giveSlices } from '../../renderer/acts/slices.ts';
import type { HostSlice } from '../../renderer/domain/slice-edits.ts';
import { askThrough } from '../../renderer/store/ask.ts';
import { useUi } from '../../renderer/store/ui.ts';
import { ada, hopper } from '../fakes/fake-hosts.ts';

interface Asked {
  readonly channel: string;
  readonly hostId: string;
  readonly overQuota?: boolean;
}
const asked: Asked[] = [];
let reply: (call: Asked) => Result<unknown> = () => ok(null);

/** Answers as an agent does, and keeps what it was asked. */
const api = {
  transport: 'fake',
  platform: 'linux',
  appVersion: '0',
  request: (channel: string, args: object) => {
    const call = { channel, ...args } as Asked;
    asked.push(call);
    return Promise.resolve(reply(call));
  },
  onEvent: () => () => undefined,
  copyText: () => Promise.resolve(true),
} as TrancheApi;

const first = (host: HostSlice['host']): HostSlice => {
  const [slice] = host.slices;
  if (slice === undefined) throw new Error('no slice');
  return { host, slice };
};
const both: readonly HostSlice[] = [first(hopper()), first(ada())];
const hostsOf = (channel: string): readonly string[] =>
  asked.filter((call) => call.channel === channel).map(({ hostId }) => hostId);

beforeEach(() => {
  askThrough(api);
  asked.length = 0;
  reply = ({ channel }) => ok({ sliceId: 's', undoToken: `${channel} ${String(asked.length)}` });
  useUi.setState({ undo: [], redo: [], toast: null, events: [], dialog: null });
});

describe('one act over two hosts', () => {
  it('is one undo and one toast, and an event for each slice', async () => {
    expect(await giveSlices(both, 'wei')).toBe(true);
    const { undo, toast, events } = useUi.getState();
    expect(undo).toHaveLength(1);
    expect(undo[0]?.tokens.map(({ hostId }) => hostId)).toEqual(['ssh:ada', 'ssh:hopper']);
    expect(toast?.undo).toBe(undo[0]);
    expect(toast?.text).toBe('2 slices given to wei');
    expect(events.map(({ hostId, sliceId }) => [hostId, sliceId])).toEqual(
      both.map(({ host, slice }) => [host.id, slice.id]),
    );
  });
  it('is taken back on both, and done again on both', async () => {
    await deleteSlices(both, false);
    await undoLatest();
    expect(hostsOf('slice:undo')).toEqual(['ssh:ada', 'ssh:hopper']);
    expect(useUi.getState().toast?.text).toBe('Undone: 2 slices deleted');
    await redoLatest();
    expect(hostsOf('slice:undo')).toEqual(['ssh:ada', 'ssh:hopper', 'ssh:hopper', 'ssh:ada']);
  });
  it('keeps what was done before a refusal, and says how far it came', async () => {
    reply = ({ hostId }) =>
      hostId === 'ssh:ada' ? fail('not-permitted', 'Not you.') : ok({ sliceId: 's', undoToken: 't' });
    expect(await giveSlices(both, 'wei')).toBe(false);
    const { undo, toast } = useUi.getState();
    expect(undo[0]?.tokens).toEqual([{ hostId: 'ssh:hopper', undoToken: 't' }]);
    expect(toast?.text).toBe('Not you. 1 of 2 were done; Undo takes them back.');
  });
});

describe('an edit over a quota', () => {
  beforeEach(() => {
    reply = ({ overQuota }) =>
      overQuota === true ? ok({ sliceId: 's', undoToken: 't' }) : fail('quota-exceeded', 'Too much.');
  });
  const isAsked = (): Promise<void> =>
    expect.poll(() => useUi.getState().dialog).toEqual({ kind: 'over-quota', message: 'Too much.' });

  it('is asked about, with facts alone in the store, and done when it is meant', async () => {
    const done = giveSlices(both.slice(0, 1), 'wei');
    await isAsked();
    answerOverQuota(true);
    expect(await done).toBe(true);
    expect(useUi.getState().dialog).toBeNull();
  });
  it('is answered with no when another question takes its place', async () => {
    const earlier = giveSlices(both.slice(0, 1), 'wei');
    await isAsked();
    const later = giveSlices(both.slice(1), 'wei');
    expect(await earlier).toBe(false);
    answerOverQuota(true);
    expect(await later).toBe(true);
  });
});

describe('two quick edits of one slice', () => {
  it('the second goes by the answer to the first, before the picture has it; but not by an older one', async () => {
    const { host, slice } = first(hopper());
    let revision = slice.revision;
    const revisions: unknown[] = [];
    reply = (call) => {
      revisions.push((call as unknown as { readonly revision: number }).revision);
      revision += 1;
      return ok({ sliceId: slice.id, revision, undoToken: 'u', undoExpiresAtMs: 0 });
    };
    await giveSlices([{ host, slice }], 'wei');
    await deleteSlices([{ host, slice }], false);
    expect(revisions).toEqual([slice.revision, slice.revision + 1]);
    // Somebody else has changed it since, and the picture says so.
    await deleteSlices([{ host, slice: { ...slice, revision: slice.revision + 7 } }], false);
    expect(revisions.at(-1)).toBe(slice.revision + 7);
  });
});
