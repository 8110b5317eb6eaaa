/** The terminals of one host: requests over the agent's channel, and what comes of them as events, in their order. */
import {
  okReplySchema,
  terminalAttachReplySchema,
  terminalListReplySchema,
  terminalOpenReplySchema,
  type AgentEvent,
} from '../../../model/agent-protocol.ts';
import { ok, type Result } from '../../../model/errors.ts';
import type { CoreEvent } from '../../../model/ipc.ts';
import type { HostId, TerminalInfo } from '../../../model/model.ts';
import type { Fields } from '../agent/client.ts';
import { explainTerminals } from '../agent/jobs.ts';
import type { HostChannel, Work } from './host-channel.ts';

/** The grace between hang-up and kill is 5 s; a holder that is stopped must not keep an agent from being removed. */
const CLOSE_ALL_TIMEOUT_MS = 7_000;
const CLOSE_ALL_LOOK_MS = 100;

export interface HostTerminalsOptions {
  readonly id: HostId;
  readonly emit: (event: CoreEvent) => void;
}

export class HostTerminals {
  private readonly options: HostTerminalsOptions;
  private readonly channel: HostChannel;

  constructor(options: HostTerminalsOptions, channel: HostChannel) {
    this.options = options;
    this.channel = channel;
  }

  async open(fields: Fields): Promise<Result<{ terminalId: string }>> {
    const reply = await this.ask((client) =>
      client.request('terminal-open', fields, terminalOpenReplySchema),
    );
    return reply.ok ? ok({ terminalId: reply.value.terminalId }) : reply;
  }

  async list(): Promise<Result<readonly TerminalInfo[]>> {
    const reply = await this.ask((client) => client.request('terminal-list', {}, terminalListReplySchema));
    return reply.ok ? ok(reply.value.terminals) : reply;
  }

  async attach(fields: Fields & { readonly terminalId?: string }): Promise<Result<null>> {
    const { id: hostId, emit } = this.options;
    const { terminalId = '' } = fields;
    const reply = await this.ask((client) =>
      client.request('terminal-attach', fields, terminalAttachReplySchema, ({ offset, endOffset }) => {
        emit({ event: 'terminal:attached', data: { hostId, terminalId, offset, endOffset } });
      }),
    );
    return reply.ok ? ok(null) : reply;
  }

  async tell(op: string, fields: Fields): Promise<Result<null>> {
    const reply = await this.ask((client) => client.request(op, fields, okReplySchema));
    return reply.ok ? ok(null) : reply;
  }

  /** Before our files go: a holder that runs would keep the version that it was started from. */
  async closeAll(): Promise<void> {
    const deadline = Date.now() + CLOSE_ALL_TIMEOUT_MS;
    let left = await this.list();
    if (left.ok) {
      const asked = left.value.map(({ terminalId }) => this.tell('terminal-close', { terminalId }));
      await Promise.all(asked); // one that has ended meanwhile refuses, which is as good
    }
    while (left.ok && left.value.length > 0 && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, CLOSE_ALL_LOOK_MS));
      left = await this.list();
    }
  }

  onEvent(event: AgentEvent): void {
    const { id: hostId, emit } = this.options;
    if (event.ev === 'terminal-output') {
      const { terminalId, offset, data } = event;
      emit({ event: 'terminal:output', data: { hostId, terminalId, offset, data } });
    } else if (event.ev === 'terminal-ended') {
      const { terminalId, exitCode, signal } = event;
      emit({ event: 'terminal:ended', data: { hostId, terminalId, exitCode, signal } });
    }
  }

  private ask<T>(work: Work<T>): Promise<Result<T>> {
    return this.channel.ask(work, explainTerminals);
  }
}
