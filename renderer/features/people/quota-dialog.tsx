/** Who may hold how much on a host: what is set, and one form to set, change or take away. */
import { SLICES_MAX } from '../../../model/limits.ts';
import { useState } from 'react';
import type { ReactElement } from 'react';
import type { Quota } from '../../../model/people.ts';
import type { HostSnapshot } from '../../../model/model.ts';
import { gib, parseBytes } from '../../../model/units.ts';
import { DEFAULT_SUBJECT, heldBy, quotaText } from '../../domain/quota.ts';
import { request, sayFailure } from '../../store/ask.ts';
import { closeDialog, showToast } from '../../store/ui.ts';
import { Button } from '../../components/bits.tsx';
import { FormDialog, Verdict } from '../../components/dialog.tsx';
import { boxesOf } from '../../components/field.tsx';

const subjectText = (subject: string): string =>
  subject === DEFAULT_SUBJECT
    ? 'everybody else'
    : subject.startsWith('@')
      ? `each of ${subject.slice(1)}`
      : subject;

/** Empty means no limit. The sentence that is wrong, else the quota. */
function read(subject: string, memory: string, slices: string): Quota | string {
  const name = subject.trim();
  if (name === '' || name === '@') return 'Say for whom: a user, @group, or default.';
  if (/\s/.test(name)) return 'A user or group has no blanks in its name.';
  const bytes = memory.trim() === '' ? null : parseBytes(memory, 'g');
  if (bytes !== null && !bytes.ok) return bytes.message;
  const count = slices.trim() === '' ? null : Number(slices);
  if (count !== null && (!Number.isInteger(count) || count < 0 || count > SLICES_MAX)) {
    return `Slices are a whole number up to ${String(SLICES_MAX)}, or nothing for no limit.`;
  }
  return { subject: name, memoryBytesMax: bytes === null ? null : bytes.value, slicesMax: count };
}

export function QuotaDialog(props: {
  readonly host: HostSnapshot;
  readonly subject: string | null;
}): ReactElement {
  const { host } = props;
  const of = (subject: string): Quota | undefined => host.quotas.find((q) => q.subject === subject);
  const fill = (subject: string) => {
    const known = of(subject);
    return {
      subject,
      memory: known?.memoryBytesMax == null ? '' : gib(known.memoryBytesMax),
      slices: known?.slicesMax == null ? '' : String(known.slicesMax),
    };
  };
  const [typed, setTyped] = useState(() => fill(props.subject ?? DEFAULT_SUBJECT));
  const quota = read(typed.subject, typed.memory, typed.slices);
  const problem = typeof quota === 'string' ? quota : null;
  const send = async (wanted: Quota, remove: boolean, done: string): Promise<void> => {
    closeDialog();
    const result = await request('quota:set', { hostId: host.id, ...wanted, remove });
    if (result.ok) showToast(done);
    else sayFailure(result.error);
  };
  const submit = (): void => {
    if (typeof quota === 'string') return;
    void send(quota, false, `Quota of ${subjectText(quota.subject)} on ${host.name}: ${quotaText(quota)}`);
  };
  const takeAway = (wanted: Quota): void =>
    void send(wanted, true, `${subjectText(wanted.subject)}: no quota of their own on ${host.name} any more`);
  const { slices: count, bytes } = heldBy(host, typed.subject.trim());
  // A subject that has a quota brings its figures along.
  const put = (change: Partial<ReturnType<typeof fill>>): void => {
    const subject = change.subject?.trim();
    setTyped((now) =>
      subject !== undefined && of(subject) !== undefined ? fill(subject) : { ...now, ...change },
    );
  };
  const box = boxesOf(typed, put);
  return (
    <FormDialog
      title={`Quotas on ${host.name}`}
      onCancel={closeDialog}
      verb="Set quota"
      onSubmit={submit}
      refusal={problem}
    >
      {host.quotas.length > 0 && (
        <ul className="quota-list" aria-label="Quotas that are set">
          {host.quotas.map((set) => (
            <li key={set.subject}>
              <button type="button" className="text-act cut" onClick={() => setTyped(fill(set.subject))}>
                {subjectText(set.subject)}
              </button>
              <span className="two">{quotaText(set)}</span>
              <Button
                kind="quiet"
                tight
                label={`Remove the quota of ${set.subject}`}
                onClick={() => takeAway(set)}
              >
                Remove
              </Button>
            </li>
          ))}
        </ul>
      )}
      <div className="fields two-columns">
        <div className="span-2">
          {box('For: a user, @group, or default', 'subject', '', {
            'data-first-focus': true,
            list: 'quota-people',
          })}
          <datalist id="quota-people">
            <option value={DEFAULT_SUBJECT} />
            {host.people.map((person) => (
              <option key={person.name} value={person.name} />
            ))}
          </datalist>
        </div>
        {box('Memory, all slices together', 'memory', 'GiB', { placeholder: 'no limit' })}
        {box('Slices', 'slices', '', { placeholder: 'no limit' })}
      </div>
      <Verdict problem={problem}>
        {count > 0
          ? `${typed.subject.trim()} holds ${gib(bytes)} GiB in ${String(count)} ${count === 1 ? 'slice' : 'slices'} now. What is held stays.`
          : 'A person’s own quota goes before that of a group, which goes before the default. What is held stays.'}
      </Verdict>
    </FormDialog>
  );
}
