/** What the system's ssh asks and says in its own words, as our questions and failures. Pure but for the asking. */
import { fail, type Result } from '../../../model/errors.ts';
import type { AskpassQuestion } from './askpass.ts';
import { blockedFailure, whereIs } from './failures.ts';
import type { HostKeyBlock } from './host-key.ts';
import { fingerprint, keyTypeOf, type KnownHostsFile } from './known-hosts.ts';
import { plainText } from './plain-text.ts';
import { asksForPassword, type Asker, type SshQuestions } from './questions.ts';
import { machineOf, type SshTarget } from './target.ts';

export interface AskedSoFar {
  /** The user wants the key for this connection only. */
  keyOnce: boolean;
  cancelled: boolean;
  /** Whether anything was asked: authentication has begun. */
  began: boolean;
  /** More than a key or a password was asked for. */
  askedForMore: boolean;
  /** Questions by keyboard-interactive. */
  rounds: number;
}

export const nothingAsked = (): AskedSoFar => ({
  keyOnce: false,
  cancelled: false,
  began: false,
  askedForMore: false,
  rounds: 0,
});

/** Whether ssh itself may ask for hops too. Then the words of a question do not prove whose it is. */
const hasWay = (target: SshTarget): boolean => target.jump !== null || target.proxyCommand !== null;

/**
 * Who asks, by what ssh puts before the words of a server ("(user@host) ", since 8.6). Shown, and no more than that:
 * on a way with hops no answer is kept, because an older ssh passes on a hop's words alone.
 */
function askerOf(target: SshTarget, text: string): Asker {
  const machine = machineOf(target);
  const host = /^\((?:[^()\s]+)@([^()\s]+)\) /.exec(text)?.[1];
  if (!hasWay(target)) return { machine, hostName: target.name, isJump: false };
  if (host === undefined)
    return { machine, hostName: `${target.name}, or a host on the way to it,`, isJump: false };
  const isJump = host !== target.hostName && host !== target.name;
  return { machine, hostName: isJump ? host : target.name, isJump };
}

/** ssh has got in: what was answered was right. Only where one machine alone could ask. */
export function systemSignedIn(target: SshTarget, questions: SshQuestions): void {
  if (!hasWay(target)) questions.signedIn(machineOf(target));
}

/** One question of ssh's, answered by the user. null: refused. */
export async function answerSystemSsh(
  target: SshTarget,
  question: AskpassQuestion,
  questions: SshQuestions,
  asked: AskedSoFar,
): Promise<string | null> {
  const text = plainText(question.text).trim();
  asked.began = true;
  if (question.kind === 'none') {
    asked.askedForMore = true;
    // "Confirm user presence for key …": nothing to be typed, a key to be touched.
    questions.progress(text.split('\n')[0] ?? text);
    return null;
  }
  const refuse = (): null => {
    asked.cancelled = true;
    return null;
  };
  const print = /^(\S+) key fingerprint is (SHA256:[A-Za-z0-9+/]+)/m.exec(text);
  if (print && /\(yes\/no/.test(text)) {
    const shown = /authenticity of host '([^' ]+)/.exec(text)?.[1] ?? target.name;
    const isJump = target.jump !== null && !shown.includes(target.hostKeyAlias ?? target.hostName);
    const answer = await questions.hostKey({
      hostName: isJump ? shown : target.name,
      keyType: print[1] ?? '',
      fingerprint: print[2] ?? '',
      isJump,
    });
    if (answer === 'once') asked.keyOnce = true;
    return answer === null ? (refuse() ?? 'no') : 'yes';
  }
  const keyFile = /^Enter passphrase for (?:key )?'?([^':]+)'?:$/.exec(text)?.[1];
  if (keyFile !== undefined) return questions.passphrase({ keyFile });
  const login = /^(\S+)@(\S+)'s password:$/.exec(text);
  if (login) {
    const [, user = '', host = ''] = login;
    const isJump = hasWay(target) && host !== target.hostName && host !== target.name;
    const hostName = isJump ? host : target.name;
    const machine = hasWay(target) ? `${machineOf(target)} by ${user}@${host}` : machineOf(target);
    // Asked again: the one before was wrong.
    questions.answersRefused(machine);
    return (await questions.password({ machine, user, hostName, isJump, banner: null })) ?? refuse();
  }
  if (question.kind === 'confirm') {
    const answer = await questions.keyboard({
      ...askerOf(target, text),
      round: 1,
      name: '',
      instructions: text,
      questions: [{ text: 'yes or no', echo: true }],
    });
    return answer?.[0] ?? refuse();
  }
  asked.rounds += 1;
  const prompts = [{ text, echo: false }];
  if (asked.rounds > 1 || !asksForPassword(prompts)) asked.askedForMore = true;
  const answer = await questions.keyboard({
    ...askerOf(target, text),
    round: asked.rounds,
    name: '',
    instructions: '',
    questions: prompts,
  });
  return answer?.[0] ?? refuse();
}

/** The block behind "REMOTE HOST IDENTIFICATION HAS CHANGED" or "REVOKED HOST KEY", with the line that says so. */
export function blockOf(said: string, files: readonly KnownHostsFile[]): HostKeyBlock | null {
  const offeredFingerprint = /^(SHA256:[A-Za-z0-9+/]+)\.?$/m.exec(said)?.[1] ?? '';
  const kind = /REVOKED HOST KEY/.test(said)
    ? 'revoked'
    : /IDENTIFICATION HAS CHANGED/.test(said)
      ? 'changed'
      : null;
  if (kind === null) return null;
  const place = /^Offending \S+ key in (.+):(\d+)$/m.exec(said);
  for (const file of files) {
    for (const [index, line] of file.text.split('\n').entries()) {
      const here = place
        ? file.path === place[1] && index + 1 === Number(place[2])
        : line.startsWith('@revoked');
      const base64 = /\s(AAAA[A-Za-z0-9+/=]+)/.exec(line)?.[1];
      if (!here || base64 === undefined) continue;
      const key = Buffer.from(base64, 'base64');
      const known = {
        file: file.path,
        line: index + 1,
        keyType: keyTypeOf(key),
        fingerprint: fingerprint(key),
      };
      return {
        offeredFingerprint: kind === 'revoked' ? known.fingerprint : offeredFingerprint,
        verdict: { kind, known },
      };
    }
  }
  return null;
}

/** Why the system's ssh ended before there was a shell, by what it said last. */
export function systemFailure(
  target: SshTarget,
  said: string,
  asked: AskedSoFar,
  block: HostKeyBlock | null,
): Result<never> {
  const where = `${target.name} (${whereIs(target)}, by the system’s ssh)`;
  const lines = said.split('\n').filter((line) => line.trim() !== '');
  const last = lines.at(-1) ?? 'it said nothing';
  if (block) return blockedFailure(target, block);
  if (asked.cancelled)
    return fail(
      'authentication-cancelled',
      `Signing in to ${target.name} was cancelled. Nothing was changed there.`,
      said,
    );
  if (/Host key verification failed/.test(said))
    return fail(
      'host-key-unknown',
      `The key of ${target.name} was not accepted (${lines.at(-2) ?? last}), so nothing was sent to it.`,
      said,
    );
  if (/Permission denied|Too many authentication failures/.test(last))
    return fail(
      'authentication-failed',
      `${where} refused the sign-in: ${last}. Nothing was changed there; check the user name, the key or the password.`,
      said,
    );
  return fail(
    'host-unreachable',
    `${where} cannot be reached: ${last}. Nothing was changed there; try the same with ssh in a terminal.`,
    said,
  );
}
