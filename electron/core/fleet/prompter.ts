/** Questions of one host to the user: one at a time, answered by id, secrets kept in memory for reconnects only. */
import { randomUUID } from 'node:crypto';
import type { Prompt } from '../../../model/model.ts';
import type { SshQuestions } from '../ssh/questions.ts';

type WithoutId<P> = P extends Prompt ? Omit<P, 'promptId'> : never;

export class Prompter implements SshQuestions {
  private readonly show: (prompt: Prompt | null) => void;
  private current: {
    readonly promptId: string;
    readonly resolve: (answers: readonly string[] | null) => void;
  } | null = null;
  private readonly secrets = new Map<string, string>();
  private readonly used = new Set<string>();

  /** `show` puts a prompt on the screen, or takes it away (null). */
  constructor(show: (prompt: Prompt | null) => void) {
    this.show = show;
  }

  /** A new attempt may use each remembered secret once; one that failed is asked for again. */
  beginAttempt(): void {
    this.used.clear();
  }

  forgetSecrets(): void {
    this.secrets.clear();
  }

  answer(promptId: string, answers: readonly string[] | null): boolean {
    if (this.current?.promptId !== promptId) return false;
    const { resolve } = this.current;
    this.current = null;
    this.show(null);
    resolve(answers);
    return true;
  }

  cancel(): void {
    if (this.current) this.answer(this.current.promptId, null);
  }

  private ask(prompt: WithoutId<Prompt>): Promise<readonly string[] | null> {
    this.cancel();
    return new Promise((resolve) => {
      const promptId = randomUUID();
      this.current = { promptId, resolve };
      this.show({ ...prompt, promptId });
    });
  }

  private async secret(key: string, prompt: WithoutId<Prompt>): Promise<string | null> {
    const remembered = this.secrets.get(key);
    if (remembered !== undefined && !this.used.has(key)) {
      this.used.add(key);
      return remembered;
    }
    const answer = (await this.ask(prompt))?.[0] ?? null;
    this.used.add(key);
    if (answer !== null) this.secrets.set(key, answer);
    return answer;
  }

  async hostKey(question: Parameters<SshQuestions['hostKey']>[0]): Promise<'once' | 'remember' | null> {
    const answer = (await this.ask({ kind: 'host-key', ...question }))?.[0];
    return answer === 'once' || answer === 'remember' ? answer : null;
  }

  password(question: Parameters<SshQuestions['password']>[0]): Promise<string | null> {
    return this.secret(`password ${question.user}@${question.hostName}`, { kind: 'password', ...question });
  }

  passphrase(question: Parameters<SshQuestions['passphrase']>[0]): Promise<string | null> {
    return this.secret(`passphrase ${question.keyFile}`, { kind: 'passphrase', ...question });
  }

  keyboard(question: Parameters<SshQuestions['keyboard']>[0]): Promise<readonly string[] | null> {
    return this.ask({ kind: 'keyboard', ...question });
  }
}
