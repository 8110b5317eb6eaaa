/** Whose turn it is while a connection is made, and for how long: the other side's time is bounded, the user's is not. */
import { aroundAnswers, type SshQuestions } from './questions.ts';

export class TurnClock {
  /** What the other side was expected to do when its time ran out; null when it did not. */
  timedOut: string | null = null;
  /** How long it was given for that, in ms. */
  limitMs: number;
  private phase: string;
  private readonly onTimeout: () => void;
  private timer: NodeJS.Timeout | undefined;
  /** How many of our own turns are under way. */
  private ours = 0;

  constructor(phase: string, limitMs: number, onTimeout: () => void) {
    this.phase = phase;
    this.limitMs = limitMs;
    this.onTimeout = onTimeout;
  }

  /** The other side's turn begins. */
  start(): void {
    clearTimeout(this.timer);
    if (this.ours > 0) return;
    this.timer = setTimeout(() => {
      this.timedOut = this.phase;
      this.onTimeout();
    }, this.limitMs);
  }

  /** Another part of the way, with its own time. */
  enter(phase: string, limitMs: number): void {
    this.phase = phase;
    this.limitMs = limitMs;
    this.start();
  }

  stop(): void {
    clearTimeout(this.timer);
  }

  /** Our turn, for as long as `work` takes. */
  readonly ourTurn = async <T>(work: () => Promise<T>): Promise<T> => {
    this.ours += 1;
    this.stop();
    try {
      return await work();
    } finally {
      this.ours -= 1;
      this.start();
    }
  };

  /** The questions, each of them a turn of ours. */
  pausing(questions: SshQuestions): SshQuestions {
    return aroundAnswers(questions, this.ourTurn);
  }
}
