/**
 * How a sign-in proceeds, as OpenSSH does it: methods in the order of PreferredAuthentications; for keys the agent, then
 * files, each passphrase asked only for a key that the server takes; at most so many refused answers over all methods.
 */
import type { AnyAuthMethod, AuthenticationType } from 'ssh2';
import { agentKeys, type AgentKey } from './agent.ts';
import type { AuthRecord } from './auth-record.ts';
import { openKeyFile, publicKeyOf } from './key-file.ts';
import { plainText } from './plain-text.ts';
import { asksForPassword, type Asker, type SshQuestions } from './questions.ts';
import { machineOf, type AuthMethod, type SshTarget } from './target.ts';

/** "Right, and now something else" (AuthenticationMethods): more of these than any server chains. */
const PARTIAL_MAX = 6;

/** Rounds that only tell something, in one sign-in: more than any server has to say. */
const TOLD_MAX = 20;

/** Questions in one round: more than a login asks, as many as an answer may have (model/ipc.ts). */
const PROMPTS_MAX = 16;

/** One way to sign in. `next` is asked again after a refusal until it has nothing more to offer. */
interface Way {
  readonly method: AuthMethod;
  next(): Promise<AnyAuthMethod | null>;
}

/** Runs something that is our work and not the server's, such as the opening of a key. */
export type OurTurn = <T>(work: () => Promise<T>) => Promise<T>;

interface Context {
  readonly target: SshTarget;
  readonly questions: SshQuestions;
  readonly asker: Asker;
  readonly ourTurn: OurTurn;
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
  const { target, record, questions, shown, onSigned, ourTurn } = context;
  return {
    method: 'publickey',
    next: once(async () => {
      const blob = await publicKeyOf(path);
      if (blob !== null && shown.some((one) => one.equals(blob))) return null;
      const agent = await openKeyFile({
        path,
        ourTurn,
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

/**
 * A round that asks nothing and says something waits for a person elsewhere. ssh prints it; silence would look like a
 * host that does not answer. What sshd sends once PAM is done says nothing at all.
 */
function tell({ record, questions, asker }: Context, texts: readonly string[]): void {
  record.ourTurn();
  record.serversTurn();
  const said = texts
    .map((text) => plainText(text).trim())
    .filter((text) => text !== '')
    .join(' ');
  if (said === '') return;
  record.told += 1;
  if (record.told > TOLD_MAX) return;
  record.askedForMore = true;
  record.said = said;
  questions.progress(`${asker.hostName} says: ${said}`);
}

function keyboardWay(context: Context): Way {
  const { target, record, questions, asker } = context;
  let tries = 0;
  return {
    method: 'keyboard-interactive',
    next: async () => {
      // Tries are counted too: a server may refuse without having asked anything.
      if (context.answersLeft <= 0 || tries >= target.passwordPrompts) return null;
      tries += 1;
      let round = 0;
      record.tried.push('keyboard-interactive');
      return {
        type: 'keyboard-interactive',
        username: target.user,
        prompt: (name, instructions, _language, prompts, answer) => {
          record.ourTurn();
          const finish = (answers: string[]): void => {
            record.serversTurn();
            answer(answers);
          };
          if (prompts.length > PROMPTS_MAX) {
            record.tried.push(`keyboard-interactive (${String(prompts.length)} questions at once)`);
            finish(prompts.map(() => ''));
            return;
          }
          if (round === 0) context.answersLeft -= 1;
          round += 1;
          const said = [record.banner, plainText(instructions)].filter(
            (text) => text !== null && text !== '',
          );
          const what = {
            ...asker,
            round,
            name: plainText(name),
            instructions: said.join('\n'),
            questions: prompts.map((one) => ({ text: plainText(one.prompt), echo: one.echo === true })),
          };
          if (round > 1 || !asksForPassword(what.questions)) record.askedForMore = true;
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
  const { target, record, questions, asker } = context;
  return {
    method: 'password',
    next: async () => {
      if (context.answersLeft <= 0) return null;
      context.answersLeft -= 1;
      const password = await questions.password({ ...asker, user: target.user, banner: record.banner });
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

/** Builds ssh2's authHandler: one method a call, asked for only when it is its turn. `told`: what it does not hear of. */
export function makeAuthHandler(
  target: SshTarget,
  questions: SshQuestions,
  isJump: boolean,
  record: AuthRecord,
  ourTurn: OurTurn,
) {
  let signed = false;
  const context: Context = {
    target,
    questions,
    asker: { machine: machineOf(target), hostName: target.name, isJump },
    ourTurn,
    record,
    answersLeft: target.passwordPrompts,
    shown: [],
    onSigned: () => {
      signed = true;
      record.serversTurn();
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

  const handler = (
    left: AuthenticationType[] | null,
    partial: boolean | null,
    offer: (method: AnyAuthMethod | false) => void,
  ): void => {
    record.began = true;
    record.ourTurn();
    const callback = (method: AnyAuthMethod | false): void => {
      record.serversTurn();
      offer(method);
    };
    if (partial === true) questions.answersAccepted(context.asker.machine);
    else if (partial === false) questions.answersRefused(context.asker.machine);
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
  return {
    handler,
    /** A round that asked nothing. */
    told: (name: string, instructions: string): void => {
      tell(context, [name, instructions]);
    },
  };
}
