/** Answers nothing and hears nothing: a test puts its own parts over it. */
import type { SshQuestions } from '../../../electron/core/ssh/questions.ts';

export const silentQuestions: SshQuestions = {
  hostKey: () => Promise.resolve(null),
  password: () => Promise.resolve(null),
  passphrase: () => Promise.resolve(null),
  keyboard: () => Promise.resolve(null),
  refused: () => undefined,
  answersAccepted: () => undefined,
  answersRefused: () => undefined,
  signedIn: () => undefined,
  progress: () => undefined,
  notice: () => undefined,
};
