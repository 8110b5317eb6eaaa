/** The order in which OpenSSH offers itself: agent, key files (passphrase asked lazily), keyboard-interactive, password. */
import { readFile } from 'node:fs/promises';
import { utils, type AnyAuthMethod, type AuthenticationType } from 'ssh2';
import { openAgent } from './agent.ts';
import type { SshQuestions } from './questions.ts';
import type { SshTarget } from './target.ts';

/** As OpenSSH's NumberOfPasswordPrompts. */
const PASSWORD_TRIES = 3;

type Step = (left: ReadonlySet<string>) => Promise<AnyAuthMethod | null>;

export interface AuthRecord {
  /** For the error text: what was tried, in order. */
  readonly tried: string[];
  cancelled: boolean;
}

async function keyFileStep(
  target: SshTarget,
  path: string,
  questions: SshQuestions,
  record: AuthRecord,
): Promise<AnyAuthMethod | null> {
  let text: Buffer;
  try {
    text = await readFile(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== 'ENOENT') record.tried.push(`${path} (can not be read: ${code ?? 'unknown'})`);
    return null;
  }
  let key = utils.parseKey(text);
  for (
    let attempt = 0;
    key instanceof Error && /encrypted|passphrase/i.test(key.message) && attempt < PASSWORD_TRIES;
    attempt += 1
  ) {
    const passphrase = await questions.passphrase({ keyFile: path });
    if (passphrase === null) {
      record.tried.push(`${path} (no passphrase given)`);
      return null;
    }
    key = utils.parseKey(text, passphrase);
  }
  if (key instanceof Error) {
    record.tried.push(`${path} (${key.message})`);
    return null;
  }
  record.tried.push(path);
  return { type: 'publickey', username: target.user, key: (Array.isArray(key) ? key[0] : key) as never };
}

function keyboardStep(target: SshTarget, questions: SshQuestions, record: AuthRecord): AnyAuthMethod {
  record.tried.push('keyboard-interactive');
  return {
    type: 'keyboard-interactive',
    username: target.user,
    prompt: (name, instructions, _language, prompts, finish) => {
      if (prompts.length === 0) {
        finish([]);
        return;
      }
      const asked = prompts.map((prompt) => ({ text: prompt.prompt, echo: prompt.echo === true }));
      questions.keyboard({ name, instructions, questions: asked }).then(
        (answers) => {
          if (answers === null) record.cancelled = true;
          finish([...(answers ?? prompts.map(() => ''))]);
        },
        () => {
          finish(prompts.map(() => ''));
        },
      );
    },
  };
}

/** Builds ssh2's authHandler: one method a call, asked for only when it is its turn. */
export function makeAuthHandler(
  target: SshTarget,
  questions: SshQuestions,
  isJump: boolean,
  record: AuthRecord,
) {
  const steps: { readonly needs: string; readonly step: Step }[] = [];
  const pinned = target.pinned;
  if (pinned) {
    steps.push({
      needs: 'publickey',
      step: () => Promise.resolve({ type: 'publickey', username: target.user, key: pinned.privateKey }),
    });
  } else {
    const agent = target.identityAgent;
    if (agent !== null) {
      steps.push({
        needs: 'publickey',
        step: async () => {
          const usable = await openAgent(agent, target.identitiesOnly ? target.identityFiles : null);
          record.tried.push(usable ? 'ssh-agent' : `ssh-agent (nobody answers at ${agent})`);
          return usable && { type: 'agent', username: target.user, agent: usable };
        },
      });
    }
    for (const path of target.identityFiles) {
      steps.push({ needs: 'publickey', step: () => keyFileStep(target, path, questions, record) });
    }
    steps.push({
      needs: 'keyboard-interactive',
      step: () => Promise.resolve(keyboardStep(target, questions, record)),
    });
    for (let attempt = 0; attempt < PASSWORD_TRIES; attempt += 1) {
      steps.push({
        needs: 'password',
        step: async () => {
          const password = await questions.password({ user: target.user, hostName: target.name, isJump });
          if (password === null) {
            record.cancelled = true;
            return null;
          }
          record.tried.push('password');
          return { type: 'password', username: target.user, password };
        },
      });
    }
  }
  let position = -1; // the first call asks the server what it allows

  const next = async (allowed: ReadonlySet<string>): Promise<AnyAuthMethod | false> => {
    while (!record.cancelled) {
      const current = steps[position];
      if (current === undefined) return false;
      position += 1;
      if (!allowed.has(current.needs)) continue;
      const method = await current.step(allowed);
      if (method) return method;
    }
    return false;
  };

  return (
    left: AuthenticationType[] | null,
    _partial: boolean | null,
    callback: (method: AnyAuthMethod | false) => void,
  ): void => {
    if (position === -1) {
      position = 0;
      callback({ type: 'none', username: target.user });
      return;
    }
    next(new Set<string>(left ?? [])).then(callback, () => {
      callback(false);
    });
  };
}
