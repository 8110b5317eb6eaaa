/**
 * What may be done on a host, in the words of its agent (agent/src/state/rights.def). One whose thing it is may use a
 * slice, stop a process and change a job without the verb: that is for everybody's.
 */
export const VERBS = [
  'look',
  'slice-use',
  'process-stop',
  'job-change',
  'jobs-order',
  'slices-change',
  'host-set',
  'operators-name',
] as const;
export type Verb = (typeof VERBS)[number];

const isVerb = (word: string): word is Verb => (VERBS as readonly string[]).includes(word);

interface Hello {
  /** null: an agent of before, which says only whether you are an operator. */
  readonly verbs: string | null;
  readonly operator: boolean;
  readonly yourUid: number;
  readonly managerUid: number;
}

/** What you may do to everybody's things; words that this version does not know are left out. */
export function verbsOf(hello: Hello): readonly Verb[] {
  if (hello.verbs !== null) return hello.verbs.split(' ').filter(isVerb);
  if (!hello.operator) return ['look'];
  const manages = hello.yourUid === hello.managerUid || hello.yourUid === 0;
  return VERBS.filter((verb) => verb !== 'operators-name' || manages);
}
