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
  }): Promise<string | null>;
  passphrase(question: { readonly keyFile: string }): Promise<string | null>;
  keyboard(question: {
    readonly name: string;
    readonly instructions: string;
    readonly questions: readonly { readonly text: string; readonly echo: boolean }[];
  }): Promise<readonly string[] | null>;
}
