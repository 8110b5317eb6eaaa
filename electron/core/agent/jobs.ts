/** What an answer to an operation that not every agent knows means. Pure. */
import { fail, type Result } from '../../../model/errors.ts';
import type { AgentInfo } from '../../../model/model.ts';

type Agent = Pick<AgentInfo, 'version' | 'managerName' | 'managerUid' | 'yourUid'>;

function explain(reply: Result<never>, agent: Agent | null, hostName: string, lacks: string): Result<never> {
  if (reply.ok || reply.error.code !== 'unknown-op') return reply;
  const whose = agent === null ? 'of an older version' : agent.version;
  const next =
    agent === null || agent.managerUid === agent.yourUid
      ? 'Upgrade it'
      : `Ask ${agent.managerName} to upgrade it`;
  return fail(
    'upgrade-needed',
    `The agent on ${hostName} (${whose}) ${lacks}. Nothing was started or changed. ${next}, then try again.`,
    reply.error.message,
  );
}

/** An agent of before there were jobs knows none of their operations: said in those words, with what to do. */
export const explainJobs = (reply: Result<never>, agent: Agent | null, hostName: string): Result<never> =>
  explain(reply, agent, hostName, 'has no queue for jobs');

export const explainTerminals = (
  reply: Result<never>,
  agent: Agent | null,
  hostName: string,
): Result<never> => explain(reply, agent, hostName, 'has no terminals');
