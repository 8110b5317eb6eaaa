/** Connections to jump hosts, one per endpoint, shared by every host behind it: a gateway is signed in to once. */
import type { ErrorCode } from '../../../model/errors.ts';
import type { NativeConnection, NativeOutcome } from './native.ts';
import type { SshTarget } from './target.ts';

interface Entry {
  readonly outcome: Promise<NativeOutcome>;
  users: number;
}

/** Everything that makes one connection unlike another; what it is called does not. */
function keyOf(target: SshTarget): string {
  const { name: _name, notes: _notes, sshArgs: _sshArgs, jump, ...rest } = target;
  return JSON.stringify([rest, jump && keyOf(jump)]);
}

/** Who opened it gave up, or could not ask a person. That says nothing about this one's attempt. */
const isAboutOthers = (code: ErrorCode): boolean => code === 'cancelled' || code === 'sign-in-needs-you';

export interface Lease {
  readonly connection: NativeConnection;
  /** To be called once; the last one closes the connection. */
  readonly release: () => void;
}

export type LeaseOutcome =
  { readonly ok: true; readonly value: Lease } | (NativeOutcome & { readonly ok: false });

export class JumpPool {
  private readonly entries = new Map<string, Entry>();

  /**
   * `open` makes the connection, if there is none. `wait` wraps the time in which somebody else is making it. Somebody
   * else who gives up leaves it to the next one.
   */
  async lease(
    target: SshTarget,
    signal: AbortSignal,
    open: () => Promise<NativeOutcome>,
    wait: <T>(work: () => Promise<T>) => Promise<T>,
  ): Promise<LeaseOutcome> {
    const key = keyOf(target);
    for (;;) {
      const present = this.entries.get(key);
      const entry = present ?? { outcome: open(), users: 0 };
      if (!present) this.entries.set(key, entry);
      entry.users += 1;
      const outcome = present ? await wait(() => entry.outcome) : await entry.outcome;
      if (!outcome.ok) {
        this.forget(key, entry);
        if (present && isAboutOthers(outcome.error.code) && !signal.aborted) continue;
        return outcome;
      }
      const connection = outcome.value;
      if (!present) {
        connection.onClose(() => {
          this.forget(key, entry);
        });
      }
      return { ok: true, value: { connection, release: this.releaser(key, entry, connection) } };
    }
  }

  private releaser(key: string, entry: Entry, connection: NativeConnection): () => void {
    let released = false;
    return () => {
      if (released) return;
      released = true;
      entry.users -= 1;
      if (entry.users > 0) return;
      this.forget(key, entry);
      connection.close();
    };
  }

  private forget(key: string, entry: Entry): void {
    if (this.entries.get(key) === entry) this.entries.delete(key);
  }
}
