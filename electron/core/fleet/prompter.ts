/** Questions of one host to the user, one at a time over all hosts; secrets kept in memory for reconnects only. */
import { randomUUID } from 'node:crypto';
import type { Prompt } from '../../../model/model.ts';
import { asksForPassword, type SshQuestions } from '../ssh/questions.ts';
import { Secrets, type SecretPlace } from './secrets.ts';

type WithoutId<P> = P extends Prompt ? Omit<P, 'promptId'> : never;
type Answers = readonly string[] | null;

/** What all hosts share: whose turn it is to ask, and passphrases, which belong to keys and not to hosts. */
export class PromptQueue {
  private readonly waiting: (() => void)[] = [];
  private busy = false;
  readonly passphrases = new Map<string, string>();

  /** The turn at once, if nobody asks just now. It ends when the result is called. */
  takeTurn(): (() => void) | null {
    if (this.busy) return null;
    this.busy = true;
    return this.endOfTurn();
  }

  /** Resolves when everybody who came before is done. */
  async turn(): Promise<() => void> {
    const free = this.takeTurn();
    if (free) return free;
    await new Promise<void>((resolve) => this.waiting.push(resolve));
    return this.endOfTurn();
  }

  /** The turn goes straight to the next one in line, so nobody slips in between. */
  private endOfTurn(): () => void {
    let over = false;
    return () => {
      if (over) return;
      over = true;
      const next = this.waiting.shift();
      if (next) next();
      else this.busy = false;
    };
  }
}

export interface PrompterEvents {
  /** Puts a prompt on the screen, or takes it away (null). */
  show(prompt: Prompt | null): void;
  /** Another host's question is open; this one's comes after it. */
  waiting?(): void;
  progress?(step: string): void;
  notice?(message: string): void;
}

/** Places of secrets: the password method, and the first round of a keyboard-interactive conversation. */
const PASSWORD_METHOD = 'password';
const KEYBOARD_ROUND = 'keyboard ';

export class Prompter implements SshQuestions {
  private readonly events: PrompterEvents;
  private readonly queue: PromptQueue;
  private current: { readonly promptId: string; readonly resolve: (answers: Answers) => void } | null = null;
  /** Questions asked before the last cancel are not to be shown any more. */
  private generation = 0;
  private readonly secrets = new Secrets();
  /** Passphrases that this attempt has tried. */
  private readonly tried = new Map<string, string>();

  constructor(events: PrompterEvents, queue: PromptQueue = new PromptQueue()) {
    this.events = events;
    this.queue = queue;
  }

  /** A new attempt may use each remembered secret once; one that failed is asked for again. */
  beginAttempt(): void {
    this.tried.clear();
    this.secrets.beginAttempt();
  }

  forgetSecrets(): void {
    this.secrets.forget();
  }

  answer(promptId: string, answers: Answers): boolean {
    if (this.current?.promptId !== promptId) return false;
    const { resolve } = this.current;
    this.current = null;
    this.events.show(null);
    resolve(answers);
    return true;
  }

  /** Whatever is open or waits to be asked counts as cancelled. */
  cancel(): void {
    this.generation += 1;
    if (this.current) this.answer(this.current.promptId, null);
  }

  /** `known`: looked at when the turn has come, for what another host's question has answered meanwhile. */
  private async ask(prompt: WithoutId<Prompt>, known: () => string | null = () => null): Promise<Answers> {
    const asked = this.generation;
    let done = this.queue.takeTurn();
    if (done === null) {
      this.events.waiting?.();
      done = await this.queue.turn();
    }
    try {
      if (this.generation !== asked) return null;
      const meanwhile = known();
      if (meanwhile !== null) return [meanwhile];
      return await new Promise<Answers>((resolve) => {
        const promptId = randomUUID();
        this.current = { promptId, resolve };
        this.events.show({ ...prompt, promptId });
      });
    } finally {
      done();
    }
  }

  /** What is kept for this very place if it was not tried in this attempt; from the user otherwise. */
  private async secret(place: SecretPlace, prompt: WithoutId<Prompt>): Promise<string | null> {
    const answer = this.secrets.untried(place) ?? (await this.ask(prompt))?.[0] ?? null;
    if (answer !== null) this.secrets.send(place, answer);
    return answer;
  }

  async hostKey(question: Parameters<SshQuestions['hostKey']>[0]): Promise<'once' | 'remember' | null> {
    const answer = (await this.ask({ kind: 'host-key', ...question }))?.[0];
    return answer === 'once' || answer === 'remember' ? answer : null;
  }

  password(question: Parameters<SshQuestions['password']>[0]): Promise<string | null> {
    const { machine, ...shown } = question;
    return this.secret({ machine, question: PASSWORD_METHOD }, { kind: 'password', ...shown });
  }

  /** A passphrase belongs to its key, whichever host asks for it. */
  async passphrase({ keyFile }: Parameters<SshQuestions['passphrase']>[0]): Promise<string | null> {
    const untried = () => {
      const kept = this.queue.passphrases.get(keyFile);
      return kept === undefined || this.tried.get(keyFile) === kept ? null : kept;
    };
    const answer = untried() ?? (await this.ask({ kind: 'passphrase', keyFile }, untried))?.[0] ?? null;
    if (answer !== null) {
      this.tried.set(keyFile, answer);
      this.queue.passphrases.set(keyFile, answer);
    }
    return answer;
  }

  async keyboard(question: Parameters<SshQuestions['keyboard']>[0]): Promise<readonly string[] | null> {
    const { machine, round, ...shown } = question;
    const { name, questions } = shown;
    const prompt = { kind: 'keyboard', ...shown } as const;
    if (!asksForPassword(questions)) return this.ask(prompt);
    if (round > 1) {
      this.secrets.doubt(machine, (one) => one.startsWith(KEYBOARD_ROUND));
      return this.ask(prompt);
    }
    // After a password, what is asked for by keyboard is the second factor, whatever it is called.
    if (this.secrets.wasAccepted(machine)) return this.ask(prompt);
    const place = { machine, question: `${KEYBOARD_ROUND}${name} ${questions[0]?.text ?? ''}` };
    const answer = await this.secret(place, prompt);
    return answer === null ? null : [answer];
  }

  refused({ keyFile }: Parameters<SshQuestions['refused']>[0]): void {
    this.queue.passphrases.delete(keyFile);
  }

  answersAccepted(machine: string): void {
    this.secrets.accepted(machine);
  }

  answersRefused(machine: string): void {
    this.secrets.refused(machine);
  }

  signedIn(machine: string): void {
    this.secrets.signedIn(machine);
  }

  progress(step: string): void {
    this.events.progress?.(step);
  }

  notice(message: string): void {
    this.events.notice?.(message);
  }
}
