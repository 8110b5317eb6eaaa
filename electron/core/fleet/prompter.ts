/** Questions of one host to the user, one at a time over all hosts; secrets kept in memory for reconnects only. */
import { randomUUID } from 'node:crypto';
import type { Prompt } from '../../../model/model.ts';
import type { SshQuestions } from '../ssh/questions.ts';

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

/** A prompt for the password that a server asks by keyboard-interactive: it may be remembered, a one-time code may not. */
const PASSWORD_PROMPT = /^\s*(?:\([^)]*\)\s*)?(?:\S+'s\s+)?password(?:\s+for\s+\S+)?\s*:?\s*$/i;

export class Prompter implements SshQuestions {
  private readonly events: PrompterEvents;
  private readonly queue: PromptQueue;
  private current: { readonly promptId: string; readonly resolve: (answers: Answers) => void } | null = null;
  /** Questions asked before the last cancel are not to be shown any more. */
  private generation = 0;
  private readonly secrets = new Map<string, string>();
  private readonly used = new Map<string, string>();

  constructor(events: PrompterEvents, queue: PromptQueue = new PromptQueue()) {
    this.events = events;
    this.queue = queue;
  }

  /** A new attempt may use each remembered secret once; one that failed is asked for again. */
  beginAttempt(): void {
    this.used.clear();
  }

  forgetSecrets(): void {
    this.secrets.clear();
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

  /** From `store` if it is there and was not tried in this attempt; from the user otherwise. */
  private async secret(
    store: Map<string, string>,
    key: string,
    prompt: WithoutId<Prompt>,
  ): Promise<string | null> {
    const untried = () => {
      const kept = store.get(key);
      return kept === undefined || this.used.get(key) === kept ? null : kept;
    };
    const answer = untried() ?? (await this.ask(prompt, untried))?.[0] ?? null;
    if (answer !== null) {
      this.used.set(key, answer);
      store.set(key, answer);
    }
    return answer;
  }

  async hostKey(question: Parameters<SshQuestions['hostKey']>[0]): Promise<'once' | 'remember' | null> {
    const answer = (await this.ask({ kind: 'host-key', ...question }))?.[0];
    return answer === 'once' || answer === 'remember' ? answer : null;
  }

  password(question: Parameters<SshQuestions['password']>[0]): Promise<string | null> {
    const key = `password ${question.user}@${question.hostName}`;
    return this.secret(this.secrets, key, { kind: 'password', ...question });
  }

  passphrase(question: Parameters<SshQuestions['passphrase']>[0]): Promise<string | null> {
    return this.secret(this.queue.passphrases, question.keyFile, { kind: 'passphrase', ...question });
  }

  async keyboard(question: Parameters<SshQuestions['keyboard']>[0]): Promise<readonly string[] | null> {
    const [first] = question.questions;
    const prompt = { kind: 'keyboard', ...question } as const;
    const isPassword =
      question.questions.length === 1 && first?.echo === false && PASSWORD_PROMPT.test(first.text);
    if (!isPassword) return this.ask(prompt);
    const answer = await this.secret(this.secrets, `keyboard ${question.name} ${first.text}`, prompt);
    return answer === null ? null : [answer];
  }

  refused(secret: Parameters<SshQuestions['refused']>[0]): void {
    if ('keyFile' in secret) this.queue.passphrases.delete(secret.keyFile);
    else this.secrets.delete(`password ${secret.user}@${secret.hostName}`);
  }

  progress(step: string): void {
    this.events.progress?.(step);
  }

  notice(message: string): void {
    this.events.notice?.(message);
  }
}
