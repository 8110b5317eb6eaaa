/** What a connection may have to ask the user. Every answer may be null: cancelled. */
export interface HostKeyQuestion {
  readonly hostName: string;
  readonly keyType: string;
  readonly fingerprint: string;
  readonly isJump: boolean;
}

/** Who asks: shown with the question, and the only one that its answer is ever sent to. */
export interface Asker {
  /** The account on the machine (target.ts, `machineOf`): a secret belongs to it and to nothing else. */
  readonly machine: string;
  /** What the user calls it. */
  readonly hostName: string;
  readonly isJump: boolean;
}

export interface KeyboardQuestion extends Asker {
  readonly name: string;
  readonly instructions: string;
  readonly questions: readonly { readonly text: string; readonly echo: boolean }[];
  /** Which time in one conversation it asks, from 1. The second "Password:" need not mean what the first one meant. */
  readonly round: number;
}

export interface PasswordQuestion extends Asker {
  readonly user: string;
  /** What the server said before it asked; hostile text, made plain. */
  readonly banner: string | null;
}

export interface SshQuestions {
  hostKey(question: HostKeyQuestion): Promise<'once' | 'remember' | null>;
  password(question: PasswordQuestion): Promise<string | null>;
  passphrase(question: { readonly keyFile: string }): Promise<string | null>;
  keyboard(question: KeyboardQuestion): Promise<readonly string[] | null>;
  /** A passphrase that turned out wrong must not be used again unasked. */
  refused(secret: { readonly keyFile: string }): void;
  /** The machine found what it was told right, and wants something else besides. */
  answersAccepted(machine: string): void;
  /** What it was told since then did not open it, and is not to be sent again unasked. */
  answersRefused(machine: string): void;
  /** The machine has let us in: what was answered to it was right, and may be used for a reconnect. */
  signedIn(machine: string): void;
  /** What happens meanwhile, for the line that names the step ("Touch your security key"). */
  progress(step: string): void;
  /** What the user should know although the connection goes on, in a sentence. */
  notice(message: string): void;
}

/** A prompt for a password, as servers word it. Anything else may be a one-time code, which is never kept. */
const PASSWORD_PROMPT = /^\s*(?:\([^)]*\)\s*)?(?:\S+'s\s+)?password(?:\s+for\s+\S+)?\s*:?\s*$/i;

/** Whether a keyboard-interactive round asks for one password and nothing else. */
export function asksForPassword(questions: KeyboardQuestion['questions']): boolean {
  const [first] = questions;
  return questions.length === 1 && first?.echo === false && PASSWORD_PROMPT.test(first.text);
}

/** The same questions, with something around the time in which an answer is awaited. */
export function aroundAnswers(
  questions: SshQuestions,
  around: <T>(ask: () => Promise<T>) => Promise<T>,
): SshQuestions {
  return {
    hostKey: (question) => around(() => questions.hostKey(question)),
    password: (question) => around(() => questions.password(question)),
    passphrase: (question) => around(() => questions.passphrase(question)),
    keyboard: (question) => around(() => questions.keyboard(question)),
    refused: (secret) => {
      questions.refused(secret);
    },
    answersAccepted: (machine) => {
      questions.answersAccepted(machine);
    },
    answersRefused: (machine) => {
      questions.answersRefused(machine);
    },
    signedIn: (machine) => {
      questions.signedIn(machine);
    },
    progress: (step) => {
      questions.progress(step);
    },
    notice: (message) => {
      questions.notice(message);
    },
  };
}
