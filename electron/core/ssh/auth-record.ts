/** What became of one sign-in: for the error, if there is one, and for the next attempt. */
import type { SignInFacts } from './sign-ins.ts';

export class AuthRecord {
  /** For the error text: what was tried, in order. */
  readonly tried: string[] = [];
  cancelled = false;
  /** What the server said before or while signing in. */
  banner: string | null = null;
  /** What it said last without asking anything ("Pushed a login request to your phone"). */
  said: string | null = null;
  /** How often it has said something. */
  told = 0;
  /** Authentication has begun: the host key was accepted. */
  began = false;
  /** The machine asked for more than a key or one password. */
  askedForMore = false;
  /** Why it cannot go on, as the end of a sentence, where the server alone would leave us waiting. */
  impossible: string | null = null;
  private longestTurnMs = 0;
  private turnSince: number | null = null;

  /** The server has all it asked for. */
  serversTurn(): void {
    this.turnSince = performance.now();
  }

  /** It has answered, or time ran out. */
  ourTurn(): void {
    if (this.turnSince !== null)
      this.longestTurnMs = Math.max(this.longestTurnMs, performance.now() - this.turnSince);
    this.turnSince = null;
  }

  get facts(): SignInFacts {
    return { askedForMore: this.askedForMore, longestTurnMs: this.longestTurnMs };
  }
}
