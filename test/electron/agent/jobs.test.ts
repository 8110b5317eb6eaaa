import { describe, expect, it } from 'vitest';
import { explainJobs } from '../../../electron/core/agent/jobs.ts';
import { fail } from '../../../model/errors.ts';

const agent = { version: '0.0.9', managerName: 'lab', managerUid: 1000, yourUid: 1000 };
const unknown = fail('unknown-op', 'This agent (0.0.9) does not know that operation.');

describe('an answer about jobs', () => {
  it('of an older agent says what it lacks and who can mend it', () => {
    const mine = explainJobs(unknown, agent, 'hopper');
    expect(mine).toMatchObject({
      error: {
        code: 'upgrade-needed',
        message:
          'The agent on hopper (0.0.9) has no queue for jobs. Nothing was started or changed. Upgrade it, then try again.',
        detail: 'This agent (0.0.9) does not know that operation.',
      },
    });
    const theirs = explainJobs(unknown, { ...agent, yourUid: 1001 }, 'hopper');
    expect(theirs).toMatchObject({ error: { message: expect.stringContaining('Ask lab to upgrade it') } });
    expect(explainJobs(unknown, null, 'hopper')).toMatchObject({ error: { code: 'upgrade-needed' } });
  });

  it('that is another refusal stays as it is', () => {
    const refused = fail('not-permitted', 'No.');
    expect(explainJobs(refused, agent, 'hopper')).toBe(refused);
  });
});
