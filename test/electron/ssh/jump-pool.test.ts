import { describe, expect, it } from 'vitest';
import { fail, ok } from '../../../model/errors.ts';
import { JumpPool } from '../../../electron/core/ssh/jump-pool.ts';
import type { NativeConnection, NativeOutcome } from '../../../electron/core/ssh/native.ts';
import { pinnedTarget, type SshTarget } from '../../../electron/core/ssh/target.ts';

const target = (more: Partial<SshTarget> = {}): SshTarget => ({
  ...pinnedTarget({ name: 'gate', port: 22, user: 'mira', hostKey: Buffer.alloc(0), privateKey: '' }),
  ...more,
});

/** The two things of a connection that the pool uses. */
function connection() {
  const state = { closed: 0, lose: (): void => undefined };
  const made = {
    onClose: (listener: () => void) => {
      state.lose = listener;
    },
    close: () => {
      state.closed += 1;
    },
  } as unknown as NativeConnection;
  return { state, made };
}
const direct = <T>(work: () => Promise<T>) => work();
const live = new AbortController().signal;

describe('JumpPool', () => {
  it('makes one connection for all that ask, and closes it with the last', async () => {
    const pool = new JumpPool();
    const { state, made } = connection();
    let opened = 0;
    const open = (): Promise<NativeOutcome> => {
      opened += 1;
      return Promise.resolve(ok(made));
    };
    let waited = 0;
    const wait = async <T>(work: () => Promise<T>) => {
      waited += 1;
      return work();
    };
    const leases = await Promise.all(
      ['gate', 'the same under another name'].map((name) => pool.lease(target({ name }), live, open, wait)),
    );
    expect([opened, waited]).toEqual([1, 1]);
    const [first, second] = leases.map((lease) => (lease.ok ? lease.value : null));
    first?.release();
    first?.release();
    expect(state.closed).toBe(0);
    second?.release();
    expect(state.closed).toBe(1);
    await pool.lease(target(), live, open, direct);
    expect(opened).toBe(2);
  });

  it('tells endpoints apart, also by the way to them', async () => {
    const pool = new JumpPool();
    let opened = 0;
    const open = (): Promise<NativeOutcome> => {
      opened += 1;
      return Promise.resolve(ok(connection().made));
    };
    const others = [{}, { user: 'tom' }, { port: 23 }, { jump: target({ name: 'outer', port: 24 }) }];
    for (const more of others) await pool.lease(target(more), live, open, direct);
    expect(opened).toBe(4);
  });

  it('leaves a connection that its maker gave up to the next one, and a failure to everybody', async () => {
    const pool = new JumpPool();
    const cancelled: NativeOutcome = fail('cancelled', 'cancelled');
    const { made } = connection();
    const outcomes = [cancelled, ok(made)];
    const open = () => Promise.resolve(outcomes.shift() ?? cancelled);
    const gaveUp = new AbortController();
    const first = pool.lease(target(), gaveUp.signal, open, direct);
    const second = pool.lease(target(), live, open, direct);
    gaveUp.abort();
    expect(await first).toMatchObject({ ok: false, error: { code: 'cancelled' } });
    expect(await second).toMatchObject({ ok: true });

    const refused = fail('authentication-failed', 'no');
    const both = [1, 2].map(() =>
      pool.lease(target({ port: 23 }), live, () => Promise.resolve(refused), direct),
    );
    for (const outcome of await Promise.all(both))
      expect(outcome).toMatchObject({ ok: false, error: { code: 'authentication-failed' } });
  });

  it('does not hand out what was lost', async () => {
    const pool = new JumpPool();
    const { state, made } = connection();
    let opened = 0;
    const open = (): Promise<NativeOutcome> => {
      opened += 1;
      return Promise.resolve(ok(opened === 1 ? made : connection().made));
    };
    await pool.lease(target(), live, open, direct);
    state.lose();
    await pool.lease(target(), live, open, direct);
    expect(opened).toBe(2);
  });
});
