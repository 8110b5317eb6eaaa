/** What a connection may have to ask the user. Every answer may be null: cancelled. */
export interface HostKeyQuestion {
  readonly hostName: string;
  readonly keyType: string;
  readonly fingerprint: string;
  readonly isJump: boolean;
}

export interface SshQuestions {
  hostKey(question: HostKeyQuestion): Promise<'once' | 'remember' | null>;
  password(question: {
    readonly user: string;
    readonly hostName: string;
    readonly isJump: boolean;
    /** What the server said before it asked; hostile text, made plain. */
    readonly banner: string | null;
  }): Promise<string | null>;
  passphrase(question: { readonly keyFile: string }): Promise<string | null>;
  keyboard(question: {
    readonly name: string;
    readonly instructions: string;
    readonly questions: readonly { readonly text: string; readonly echo: boolean }[];
  }): Promise<readonly string[] | null>;
  /** A secret that turned out wrong must not be used again unasked. */
  refused(secret: { readonly keyFile: string } | { readonly user: string; readonly hostName: string }): void;
  /** What happens meanwhile, for the line that names the step ("Touch your security key"). */
  progress(step: string): void;
  /** What the user should know although the connection goes on, in a sentence. */
  notice(message: string): void;
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
    progress: (step) => {
      questions.progress(step);
    },
    notice: (message) => {
      questions.notice(message);
    },
  };
}
