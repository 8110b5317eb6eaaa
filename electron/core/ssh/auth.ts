/**
 * How a sign-in proceeds, as OpenSSH does it: methods in the order of PreferredAuthentications; for keys the agent, then
 * files, each passphrase asked only for a key that the server takes; at most so many refused answers over all methods.
 */
import type { AnyAuthMethod, AuthenticationType } from 'ssh2';
import { agentKeys, type AgentKey } from './agent.ts';
import { openKeyFile, publicKeyOf } from './key-file.ts';
import { plainText } from './plain-text.ts';
import type { SshQuestions } from './questions.ts';
import type { AuthMethod, SshTarget } from './target.ts';

/** "Right, and now something else" (AuthenticationMethods): more of these than any server chains. */
const PARTIAL_MAX = 6;

/** Questions in one round: more than a login asks, as many as an answer may have (model/ipc.ts). */
const PROMPTS_MAX = 16;

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
  /** The server has taken a key, and has its signature. */
  readonly onSigned: () => void;
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

function agentWay(context: Context, path: string): Way {
  const { target, record, shown, onSigned } = context;
  let left: AgentKey[] | null = null;
  return {
    method: 'publickey',
    next: async () => {
      if (left === null) {
        const files = { listed: target.identityFiles, listedOnly: target.identitiesOnly };
        const keys = await agentKeys(path, files, onSigned);
        record.tried.push(typeof keys === 'string' ? `ssh-agent (${keys})` : 'ssh-agent');
        left = typeof keys === 'string' ? [] : [...keys];
      }
      const key = left.shift();
      if (!key) return null;
      shown.push(key.blob);
      return { type: 'agent', username: target.user, agent: key.agent };
    },
  };
}

function keyFileWay(context: Context, path: string): Way {
  const { target, record, questions, shown, onSigned } = context;
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
        onSigned,
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
          if (prompts.length > PROMPTS_MAX) {
            record.tried.push(`keyboard-interactive (${String(prompts.length)} questions at once)`);
            finish(prompts.map(() => ''));
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
  let signed = false;
  const context: Context = {
    target,
    questions,
    isJump,
    record,
    answersLeft: target.passwordPrompts,
    shown: [],
    onSigned: () => {
      signed = true;
    },
  };
  const ways = waysOf(context);
  let position = -1; // the first call asks the server what it allows
  let partials = 0;
  let moreWanted = false;

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
    if (signed) {
      // A signed key did not open the door. ssh2 does not pass on what the server said to an agent's key, which may be
      // "right, and now something else": asking with no method at all brings that list again.
      signed = false;
      moreWanted = true;
      callback({ type: 'none', username: target.user });
      return;
    }
    if (partial === true || moreWanted) {
      // Ways that were passed over may be what the server wants now.
      moreWanted = false;
      partials += 1;
      if (partial === true) context.answersLeft = target.passwordPrompts;
      position = partials > PARTIAL_MAX ? ways.length : 0;
    }
    next(new Set<string>(left ?? [])).then(callback, () => {
      callback(false);
    });
  };
}
