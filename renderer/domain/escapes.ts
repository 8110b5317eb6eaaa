/** Processes on a GPU outside every slice, and what the host does with them, in words (docs/escapes.md). Pure. */
import type { Escapes, ProcessSample } from '../../model/sample.ts';
import { clockSeconds } from './when.ts';

type Answer = NonNullable<ProcessSample['answer']>;

export interface EscapeText {
  /** Of the cell: `stopped`, `left alone`. */
  readonly word: string;
  /** How it was seen, since when, what was done and why no more. In sentences. */
  readonly why: string;
  readonly tone: 'warn' | 'quiet';
}

const SEEN: Readonly<Record<NonNullable<ProcessSample['seenBy']>, string>> = {
  driver: 'the driver lists it',
  kernel: 'the kernel shows that it has the GPU open',
  both: 'the kernel shows that it has the GPU open, and the driver lists it',
};

const ANSWERS: Readonly<Record<Answer, readonly [word: string, tone: EscapeText['tone'], sentence: string]>> =
  {
    waiting: ['seen', 'quiet', 'Nothing was done yet'],
    reported: ['reported', 'warn', 'It was reported, and nothing else was done'],
    charged: ['charged', 'warn', 'What it holds is charged'],
    stopped: ['stopped', 'warn', 'It was stopped'],
    released: ['let go on', 'quiet', 'It was stopped and goes on'],
    ending: ['told to end', 'warn', 'It was told to end'],
    killed: ['killed', 'warn', 'It was killed'],
    exempt: ['exempt', 'quiet', 'It is left alone'],
    protected: ['left alone', 'quiet', 'It is left alone'],
    'not-permitted': ['not permitted', 'warn', 'The rule could not be followed'],
  };

/** null: it is in a slice, with what was counted; or the agent there is older and does not say. */
export function escapeText({ reason, seenBy, sinceMs, answer, answerWhy }: ProcessSample): EscapeText | null {
  if (reason === null) return null;
  const since = sinceMs === null ? '' : ` since ${clockSeconds(sinceMs)}`;
  const where =
    reason === 'outside'
      ? `Outside every slice${since}: ${seenBy === null ? 'it is on the GPU' : SEEN[seenBy]}.`
      : `Holds more than was counted at the kernel’s boundary${since}, as the driver shows.`;
  // Beyond what is looked after at once there is no answer: then it is only seen.
  const [word, tone, sentence] = ANSWERS[answer ?? 'waiting'];
  return { word, tone, why: `${where} ${sentence}${answerWhy === null ? '' : `: ${answerWhy}`}.` };
}

const RULES: Readonly<Record<Escapes['rule'], string>> = {
  report: 'are reported',
  charge: 'are charged to a slice of their user',
  stop: 'are stopped',
  end: 'are ended',
};
const WATCHED: Readonly<Record<Escapes['watchedBy'], string>> = {
  fanotify: 'Seen as they open a GPU',
  inotify: 'Those of the agent’s user are seen as they open a GPU, others within 2 s',
  timer: 'Seen within 2 s',
};

/** Of a host’s rule; null: an agent of before, which reports those that it sees. */
export function ruleText(escapes: Escapes | null): string | null {
  if (escapes === null) return null;
  const grace = escapes.rule === 'end' ? `, and killed ${String(escapes.graceSeconds)} s later` : '';
  const exempt = escapes.exempt === '' ? '' : `, but for ${escapes.exempt.split(/[, ]+/).join(', ')}`;
  const note = escapes.watchNote === null ? '' : ` (${escapes.watchNote})`;
  return `${RULES[escapes.rule]}${grace}${exempt}. ${WATCHED[escapes.watchedBy]}${note}.`;
}
