/**
 * What is remembered of how each machine lets people in, over all hosts and attempts: whether it needs a person (a push
 * to a phone, a code), and then how often it was tried without one. An account is locked after a few confirmations that
 * nobody gave, so an automatic reconnect asks for one at most once.
 */

/** As sshd's LoginGraceTime: from the beginning of authentication on, ssh itself waits for as long as the server does. */
export const LOGIN_GRACE_MS = 120_000;
/** No server takes this long to check a key or a password; a person does. */
const PERSON_TURN_MS = 5_000;
/** Below this a machine is known to answer at once, and an eager attempt need not wait longer than it was given. */
const QUICK_TURN_MS = 1_500;
/** Machines: more than anybody signs in to in one session. The one that was used longest ago is forgotten. */
const MACHINES_MAX = 2_000;

interface Known {
  readonly needsPerson: boolean;
  readonly longestTurnMs: number;
  /** It was tried since the last time it worked, and nobody confirmed. */
  readonly unconfirmed: boolean;
}

export interface SignInFacts {
  /** It asked for more than a key or a password. */
  readonly askedForMore: boolean;
  readonly longestTurnMs: number;
}

const needsPerson = ({ askedForMore, longestTurnMs }: SignInFacts): boolean =>
  askedForMore || longestTurnMs >= PERSON_TURN_MS;

export class SignIns {
  private readonly machines = new Map<string, Known>();

  /** Whether an automatic attempt may sign in to `machine`: not where the last one waited for a person in vain. */
  mayTryUnasked(machine: string): boolean {
    return this.machines.get(machine)?.unconfirmed !== true;
  }

  /** How long the machine may take once authentication began; `eagerMs` only where it is known to be quick. */
  limitMs(machine: string, eagerMs: number | null): number {
    const known = this.machines.get(machine);
    const quick = known !== undefined && !known.needsPerson && known.longestTurnMs < QUICK_TURN_MS;
    return eagerMs !== null && quick ? eagerMs : LOGIN_GRACE_MS;
  }

  succeeded(machine: string, facts: SignInFacts): void {
    this.put(machine, {
      needsPerson: needsPerson(facts),
      longestTurnMs: facts.longestTurnMs,
      unconfirmed: false,
    });
  }

  /** Authentication had begun and did not end well. */
  failed(machine: string, facts: SignInFacts): void {
    const before = this.machines.get(machine);
    const person = needsPerson(facts) || before?.needsPerson === true;
    const longestTurnMs = Math.max(facts.longestTurnMs, before?.longestTurnMs ?? 0);
    this.put(machine, { needsPerson: person, longestTurnMs, unconfirmed: person });
  }

  private put(machine: string, known: Known): void {
    this.machines.delete(machine);
    this.machines.set(machine, known);
    const [oldest] = this.machines.keys();
    if (this.machines.size > MACHINES_MAX && oldest !== undefined) this.machines.delete(oldest);
  }
}
