/**
 * How a sign-in proceeds, as OpenSSH does it: methods in the order of PreferredAuthentications; for keys the agent, then
 * files, each passphrase asked only for a key that the server takes; at most so many refused answers over all methods.
 */
import type { AnyAuthMethod, AuthenticationType } from 'ssh2';
import { openAgent } from './agent.ts';
import { openKeyFile, publicKeyOf } from './key-file.ts';
import { plainText } from './plain-text.ts';
import type { SshQuestions } from './questions.ts';
import type { AuthMethod, SshTarget } from './target.ts';

/** "Right, and now something else" (AuthenticationMethods): more of these than any server chains. */
const PARTIAL_MAX = 6;

export interface AuthRecord {
  /** For the error text: what was tried, in order. */
  readonly tried: string[];
  cancelled: boolean;
  /** What the server said before or while signing in. */
  banner: string | null;
}
export const newAuthRecord = (): AuthRecord => ({ tried: [], cancelled: false, banner: null });

/** One way to sign in. `next` is asked again after a refusal until it has nothing more to offer. */
interface Way {
  readonly method: AuthMethod;
  next(): Promise<AnyAuthMethod | null>;
}

interface Context {
  readonly target: SshTarget;
  readonly questions: SshQuestions;
  readonly isJump: boolean;
  readonly record: AuthRecord;
  /** Refused answers of the user that are still allowed; keys do not count. */
  answersLeft: number;
  /** Keys that the agent has shown. */
  readonly shown: Buffer[];
}

/** A way that has exactly one thing to offer. */
const once = (make: () => Promise<AnyAuthMethod | null>) => {
  let used = false;
  return async (): Promise<AnyAuthMethod | null> => {
    if (used) return null;
    used = true;
    return make();
  };
};

function agentWay({ target, record, shown }: Context, path: string): Way {
  return {
    method: 'publickey',
    next: once(async () => {
      const usable = await openAgent(
        path,
        { listed: target.identityFiles, listedOnly: target.identitiesOnly },
        (blobs) => shown.push(...blobs),
      );
      record.tried.push(usable ? 'ssh-agent' : `ssh-agent (nobody answers at ${path})`);
      return usable && { type: 'agent', username: target.user, agent: usable };
    }),
  };
}

function keyFileWay(context: Context, path: string): Way {
  const { target, record, questions, shown } = context;
  return {
    method: 'publickey',
    next: once(async () => {
      const blob = await publicKeyOf(path);
      if (blob !== null && shown.some((one) => one.equals(blob))) return null;
      const agent = await openKeyFile({
        path,
        askPassphrase: () =>
          target.batchMode ? Promise.resolve(null) : questions.passphrase({ keyFile: path }),
        onWrongPassphrase: () => {
          questions.refused({ keyFile: path });
        },
        onOutcome: (what) => {
          record.tried.splice(record.tried.lastIndexOf(path), 1, what);
        },
      });
      if (agent === null) return null;
      record.tried.push(agent instanceof Error ? `${path} (${agent.message})` : path);
      return agent instanceof Error ? null : { type: 'agent', username: target.user, agent };
    }),
  };
}

function keyboardWay(context: Context): Way {
  const { target, record, questions } = context;
  let rounds = 0;
  return {
    method: 'keyboard-interactive',
    next: async () => {
      // Rounds are counted too: a server may refuse without having asked anything.
      if (context.answersLeft <= 0 || rounds >= target.passwordPrompts) return null;
      rounds += 1;
      let asked = false;
      record.tried.push('keyboard-interactive');
      return {
        type: 'keyboard-interactive',
        username: target.user,
        prompt: (name, instructions, _language, prompts, finish) => {
          if (prompts.length === 0) {
            finish([]);
            return;
          }
          if (!asked) context.answersLeft -= 1;
          asked = true;
          const said = [record.banner, plainText(instructions)].filter(
            (text) => text !== null && text !== '',
          );
          const what = {
            name: plainText(name),
            instructions: said.join('\n'),
            questions: prompts.map((one) => ({ text: plainText(one.prompt), echo: one.echo === true })),
          };
          const answered = (answers: readonly string[] | null) => {
            if (answers === null) record.cancelled = true;
            finish(prompts.map((_, index) => answers?.[index] ?? ''));
          };
          questions.keyboard(what).then(answered, () => {
            answered(null);
          });
        },
      };
    },
  };
}

function passwordWay(context: Context): Way {
  const { target, record, questions, isJump } = context;
  const whose = { user: target.user, hostName: target.name };
  let asked = false;
  return {
    method: 'password',
    next: async () => {
      if (asked) questions.refused(whose);
      if (context.answersLeft <= 0) return null;
      asked = true;
      context.answersLeft -= 1;
      const password = await questions.password({ ...whose, isJump, banner: record.banner });
      if (password === null) {
        record.cancelled = true;
        return null;
      }
      record.tried.push('password');
      return { type: 'password', username: target.user, password };
    },
  };
}

function waysOf(context: Context): readonly Way[] {
  const { target } = context;
  const { pinned } = target;
  if (pinned) {
    return [
      {
        method: 'publickey',
        next: once(() =>
          Promise.resolve({ type: 'publickey', username: target.user, key: pinned.privateKey }),
        ),
      },
    ];
  }
  const ways: Readonly<Record<AuthMethod, () => readonly Way[]>> = {
    publickey: () => [
      ...(target.identityAgent === null ? [] : [agentWay(context, target.identityAgent)]),
      ...target.identityFiles.map((path) => keyFileWay(context, path)),
    ],
    'keyboard-interactive': () => (target.batchMode ? [] : [keyboardWay(context)]),
    password: () => (target.batchMode ? [] : [passwordWay(context)]),
  };
  return target.authMethods.flatMap((method) => ways[method]());
}

/** Builds ssh2's authHandler: one method a call, asked for only when it is its turn. */
export function makeAuthHandler(
  target: SshTarget,
  questions: SshQuestions,
  isJump: boolean,
  record: AuthRecord,
) {
  const context: Context = {
    target,
    questions,
    isJump,
    record,
    answersLeft: target.passwordPrompts,
    shown: [],
  };
  const ways = waysOf(context);
  let position = -1; // the first call asks the server what it allows
  let partials = 0;

  const next = async (allowed: ReadonlySet<string>): Promise<AnyAuthMethod | false> => {
    while (!record.cancelled) {
      const way = ways[position];
      if (way === undefined) return false;
      const offer = allowed.has(way.method) ? await way.next() : null;
      if (offer) return offer;
      position += 1;
    }
    return false;
  };

  return (
    left: AuthenticationType[] | null,
    partial: boolean | null,
    callback: (method: AnyAuthMethod | false) => void,
  ): void => {
    if (position === -1) {
      position = 0;
      callback({ type: 'none', username: target.user });
      return;
    }
    if (partial === true) {
      // Right so far, and the server wants more: ways that were passed over may be what it wants now.
      partials += 1;
      record.tried.push('(accepted, and more was asked for)');
      context.answersLeft = target.passwordPrompts;
      position = partials > PARTIAL_MAX ? ways.length : 0;
    }
    next(new Set<string>(left ?? [])).then(callback, () => {
      callback(false);
    });
  };
}
