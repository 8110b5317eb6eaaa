/** What an answer to an operation of jobs means. Pure. */
import { fail, type Result } from '../../../model/errors.ts';
import type { AgentInfo } from '../../../model/model.ts';

/** An agent of before there were jobs knows none of their operations: said in those words, with what to do. */
export function explainJobs(
  reply: Result<never>,
  agent: Pick<AgentInfo, 'version' | 'managerName' | 'managerUid' | 'yourUid'> | null,
  hostName: string,
): Result<never> {
  if (reply.ok || reply.error.code !== 'unknown-op') return reply;
  const whose = agent === null ? 'of an older version' : agent.version;
  const next =
    agent === null || agent.managerUid === agent.yourUid
      ? 'Upgrade it'
      : `Ask ${agent.managerName} to upgrade it`;
  return fail(
    'upgrade-needed',
    `The agent on ${hostName} (${whose}) has no queue for jobs. Nothing was started or changed. ${next}, then try again.`,
    reply.error.message,
  );
}
