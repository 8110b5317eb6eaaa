/** What the config says of one host, looked up when it is needed and kept for when it cannot be. */
import { ok, type Result } from '../../../model/errors.ts';
import type { SshTarget } from '../ssh/target.ts';

/** A host that stays away is looked up anew this often. */
const RESOLVE_AGAIN_MS = 60_000;

export class KeptTarget {
  private readonly name: string;
  private readonly resolve: () => Promise<Result<SshTarget>>;
  private readonly say: (message: string) => void;
  private kept: { readonly target: SshTarget; readonly atMs: number } | null = null;
  /** What was told of a config that does not resolve: once, however often it is tried. */
  private told: string | null = null;

  constructor(name: string, resolve: () => Promise<Result<SshTarget>>, say: (message: string) => void) {
    this.name = name;
    this.resolve = resolve;
    this.say = say;
  }

  /** The config may say something else now. */
  lookAgain(): void {
    if (this.kept) this.kept = { ...this.kept, atMs: 0 };
  }

  /**
   * `ssh -G` costs 34 ms: not for each of the attempts that follow each other while a network is away (`isLost`).
   * `mayKeep`: the host was there, so a config that is half saved, or a Match exec that waits for the network, leaves it
   * as it was reached before.
   */
  async get({ isLost, mayKeep }: { isLost: boolean; mayKeep: boolean }): Promise<Result<SshTarget>> {
    const { kept } = this;
    if (isLost && kept !== null && Date.now() - kept.atMs < RESOLVE_AGAIN_MS) return ok(kept.target);
    const target = await this.resolve();
    if (!target.ok) {
      if (kept === null || !mayKeep) return target;
      const { message } = target.error;
      if (this.told !== message) this.say(`${message} ${this.name} is tried as it was reached before.`);
      this.told = message;
      return ok(kept.target);
    }
    this.told = null;
    this.kept = { target: target.value, atMs: Date.now() };
    for (const note of target.value.notes) this.say(note);
    return target;
  }
}
