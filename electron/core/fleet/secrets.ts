/**
 * What one host's sign-ins were answered, kept in memory for its reconnects. A secret belongs to a place: one machine,
 * and one position in what that machine asks. It is kept once the machine has let us in with it, and given to no other
 * place. Where a machine asks for several things in the same words, none is kept: one of them is a one-time code.
 */

export interface SecretPlace {
  readonly machine: string;
  /** Which question of that machine's. */
  readonly question: string;
}

interface Sent extends SecretPlace {
  readonly secret: string;
  /** It came from an earlier sign-in. */
  readonly wasKept: boolean;
  /** The server said "right, and now something else". */
  accepted: boolean;
}

const keyOf = ({ machine, question }: SecretPlace): string => `${machine} ${question}`;

export class Secrets {
  private readonly kept = new Map<string, string>();
  /** Places whose kept secret did not work a second time: what is typed there is no password. */
  private readonly onceOnly = new Set<string>();
  private sent: Sent[] = [];

  /** A new attempt may use each kept secret once. */
  beginAttempt(): void {
    this.sent = [];
  }

  forget(): void {
    this.kept.clear();
    this.onceOnly.clear();
    this.sent = [];
  }

  /** What is kept for a place, if it was not sent there in this attempt. */
  untried(place: SecretPlace): string | null {
    const key = keyOf(place);
    return this.sent.some((one) => keyOf(one) === key) ? null : (this.kept.get(key) ?? null);
  }

  /** A secret goes to its place now. */
  send(place: SecretPlace, secret: string): void {
    this.sent.push({ ...place, secret, wasKept: this.untried(place) === secret, accepted: false });
  }

  /** What was sent to the machine so far was right, and it wants something else besides. */
  accepted(machine: string): void {
    for (const one of this.sent) if (one.machine === machine) one.accepted = true;
  }

  /** Whether a secret has done its part in this sign-in already. */
  wasAccepted(machine: string): boolean {
    return this.sent.some((one) => one.machine === machine && one.accepted);
  }

  /** What was sent to the machine last did not open it. */
  refused(machine: string): void {
    const wrong = this.sent.filter((one) => one.machine === machine && !one.accepted);
    for (const one of wrong) {
      this.kept.delete(keyOf(one));
      if (one.wasKept) this.onceOnly.add(keyOf(one));
    }
    // They stay in `sent`, so that nothing kept goes to that place again, and are never kept.
    this.sent = this.sent.map((one) => (wrong.includes(one) ? { ...one, secret: '' } : one));
  }

  /** The machine asks again in words that may mean a code: nothing that was typed like this is a password for sure. */
  doubt(machine: string, isMeant: (question: string) => boolean): void {
    for (const one of this.sent) {
      if (one.machine !== machine || !isMeant(one.question)) continue;
      this.kept.delete(keyOf(one));
      this.onceOnly.add(keyOf(one));
    }
  }

  /** The machine has let us in. */
  signedIn(machine: string): void {
    for (const one of this.sent) {
      const key = keyOf(one);
      if (one.machine === machine && one.secret !== '' && !this.onceOnly.has(key))
        this.kept.set(key, one.secret);
    }
    // Another sign-in of the same attempt may use them again.
    this.sent = this.sent.filter((one) => one.machine !== machine);
  }
}
