/** What the agent of one host is asked: edits, settings, jobs, and what it has written down. Replies become the model's. */
import {
  auditReplySchema,
  hoursReplySchema,
  environmentsReplySchema,
  jobLogReplySchema,
  jobStartReplySchema,
  okReplySchema,
} from '../../../model/agent-protocol.ts';
import { fail, ok, type Result } from '../../../model/errors.ts';
import type { PersonHours } from '../../../model/people.ts';
import type {
  AuditPage,
  History,
  HistoryPoint,
  JobLogPart,
  PythonEnvironment,
  SliceEdit,
} from '../../../model/model.ts';
import type { AgentClient, Fields } from '../agent/client.ts';
import { explainJobs } from '../agent/jobs.ts';
import type { HostChannel } from './host-channel.ts';

export class HostRequests {
  private readonly channel: HostChannel;

  constructor(channel: HostChannel) {
    this.channel = channel;
  }

  async edit(op: string, fields: Fields): Promise<Result<SliceEdit>> {
    const { expiresAtMs } = fields;
    if (op === 'slice-create' && typeof expiresAtMs === 'number' && expiresAtMs <= Date.now())
      return fail(
        'bad-arguments',
        'The slice would have ended before it began. Nothing was changed; choose a later end, and look at the clock of this computer.',
      );
    const reply = await this.channel.ask((client) => client.edit(op, fields));
    if (!reply.ok) return reply;
    const { sliceId, revision, undoToken, undoExpiresAtMs } = reply.value;
    return ok({ sliceId, revision, undoToken, undoExpiresAtMs });
  }

  /** A request that is answered with no more than whether it was done. */
  async command(op: string, fields: Fields): Promise<Result<null>> {
    const send = (client: AgentClient) => client.request(op, fields, okReplySchema);
    const reply = await this.channel.ask(send, op.startsWith('job-') ? explainJobs : undefined);
    return reply.ok ? ok(null) : reply;
  }

  /** Done by `tranche attach` on the host, as the user who is signed in. */
  async startJob(fields: Fields): Promise<Result<{ jobId: string; name: string }>> {
    const reply = await this.channel.ask(
      (client) => client.request('job-start', fields, jobStartReplySchema),
      explainJobs,
    );
    if (!reply.ok) return reply;
    const { jobId, name } = reply.value;
    return ok({ jobId, name });
  }

  async findEnvironments(fields: Fields): Promise<Result<readonly PythonEnvironment[]>> {
    const reply = await this.channel.ask(
      (client) => client.request('environments', fields, environmentsReplySchema),
      explainJobs,
    );
    return reply.ok ? ok(reply.value.environments) : reply;
  }

  async readJobLog(fields: Fields): Promise<Result<JobLogPart>> {
    const reply = await this.channel.ask(
      (client) => client.request('job-log', fields, jobLogReplySchema),
      explainJobs,
    );
    if (!reply.ok) return reply;
    const { data, offset, nextOffset, endOffset, skippedBytes, over } = reply.value;
    return ok({ data, offset, nextOffset, endOffset, skippedBytes, over });
  }

  async fetchHistory(fields: Fields): Promise<Result<History>> {
    const chunks = await this.channel.ask((client) => client.fetchHistory(fields));
    if (!chunks.ok) return chunks;
    const points = chunks.value.flatMap((chunk) =>
      chunk.atMs.map((atMs, i): HistoryPoint => ({
        atMs,
        memoryUsedBytes: chunk.memoryUsedBytes[i] ?? null,
        computeTenths: chunk.computeTenths[i] ?? null,
        throttledTenths: chunk.throttledTenths[i] ?? null,
        memoryLimitBytes: chunk.memoryLimitBytes[i] ?? null,
        computeLimitPercent: chunk.computeLimitPercent[i] ?? null,
      })),
    );
    return ok({ tierMs: chunks.value[0]?.tierMs ?? 1000, points });
  }

  async fetchAudit(fields: Fields): Promise<Result<AuditPage>> {
    const reply = await this.channel.ask((client) => client.request('audit', fields, auditReplySchema));
    if (!reply.ok) return reply;
    const { records, nextBeforeSeq } = reply.value;
    return ok({ records, nextBeforeSeq });
  }

  async fetchHours(days: number): Promise<Result<readonly PersonHours[]>> {
    const reply = await this.channel.ask((client) => client.request('hours', { days }, hoursReplySchema));
    return reply.ok ? ok(reply.value.people) : reply;
  }
}
