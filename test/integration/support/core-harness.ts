/** The real core with everything it emits at hand, and bounded waits on what it says. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LabLauncher } from '../../../electron/core/messages.ts';
import { createCore, type Core } from '../../../electron/core/core.ts';
import type { Result } from '../../../model/errors.ts';
import type { CoreEvent, RequestArgs, RequestChannel, RequestValues } from '../../../model/ipc.ts';
import type { AuditRecord } from '../../../model/people.ts';
import type { Sample } from '../../../model/sample.ts';
import type { HostSnapshot } from '../../../model/model.ts';
import { artifactsFolder } from './private-root.ts';

/** No step of a healthy test takes this long, even on two busy cores. */
const WAIT_TIMEOUT_MS = 30_000;

type TerminalEvent = Extract<CoreEvent, { event: `terminal:${string}` }>;
const isTerminalEvent = (event: CoreEvent): event is TerminalEvent => event.event.startsWith('terminal:');

export interface CoreOverrides {
  readonly artifactsFolder?: string;
  readonly appVersion?: string;
  readonly home?: string;
  readonly launchLab?: LabLauncher;
}

export class CoreHarness {
  readonly hosts = new Map<string, HostSnapshot>();
  readonly samples = new Map<string, Sample>();
  /** Every sample that came, in order. */
  readonly sampleLog: { readonly hostId: string; readonly seq: number; readonly atMs: number }[] = [];
  readonly notices: string[] = [];
  readonly audit: AuditRecord[] = [];
  /** What terminals were said to say, in order. */
  readonly terminalLog: TerminalEvent[] = [];
  private core: Core | null = null;
  private readonly waiting = new Set<() => void>();
  private successor: CoreHarness | null = null;
  private readonly configFile: string;
  private readonly overrides: CoreOverrides;
  private readonly folder: string;

  private constructor(configFile: string, overrides: CoreOverrides, folder: string) {
    this.configFile = configFile;
    this.overrides = overrides;
    this.folder = folder;
  }

  static async start(
    configFile: string,
    overrides: CoreOverrides = {},
    folder = mkdtempSync(join(tmpdir(), 'tranche-core-')),
  ): Promise<CoreHarness> {
    const harness = new CoreHarness(configFile, overrides, folder);
    harness.core = await createCore({
      dataFolder: harness.folder,
      artifactsFolder: overrides.artifactsFolder ?? artifactsFolder,
      appVersion: overrides.appVersion ?? '0.1.0',
      launchLab: overrides.launchLab ?? (() => Promise.reject(new Error('no lab in this test'))),
      labUnavailable: overrides.launchLab ? null : 'no lab in this test',
      resolve: {
        configFile,
        agentSocket: null,
        ...(overrides.home === undefined ? {} : { home: overrides.home }),
      },
      emit: (event) => {
        harness.receive(event);
      },
    });
    const fleet = await harness.ask('fleet:get', {});
    for (const host of fleet.hosts) harness.hosts.set(host.id, host);
    return harness;
  }

  async request<C extends RequestChannel>(
    channel: C,
    args: RequestArgs<C>,
  ): Promise<Result<RequestValues[C]>> {
    if (!this.core) throw new Error('not started');
    return (await this.core.request(channel, args)) as Result<RequestValues[C]>;
  }

  /** A request that must succeed. */
  async ask<C extends RequestChannel>(channel: C, args: RequestArgs<C>): Promise<RequestValues[C]> {
    const result = await this.request(channel, args);
    if (!result.ok)
      throw new Error(
        `${channel}: ${result.error.code}: ${result.error.message}\n${result.error.detail ?? ''}`,
      );
    return result.value;
  }

  host(hostId: string): HostSnapshot {
    const host = this.hosts.get(hostId);
    if (!host) throw new Error(`no host ${hostId}`);
    return host;
  }

  /** Resolves with what `read` finds, as soon as it finds something. */
  async until<T>(what: string, read: () => T | null | undefined | false): Promise<T> {
    const deadline = Date.now() + WAIT_TIMEOUT_MS;
    for (;;) {
      const found = read();
      if (found !== null && found !== undefined && found !== false) return found;
      const left = deadline - Date.now();
      if (left <= 0) {
        const states = [...this.hosts.values()].map(
          (host) => `${host.id}: ${JSON.stringify(host.connection)}`,
        );
        throw new Error(
          `did not happen within ${String(WAIT_TIMEOUT_MS / 1000)} s: ${what}\n${states.join('\n')}`,
        );
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(settle, Math.min(left, 250));
        const { waiting } = this;
        function settle() {
          clearTimeout(timer);
          waiting.delete(settle);
          resolve();
        }
        waiting.add(settle);
      });
    }
  }

  untilConnection<K extends HostSnapshot['connection']['kind']>(hostId: string, kind: K) {
    return this.until(`${hostId} is ${kind}`, () => {
      const { connection } = this.host(hostId);
      return connection.kind === kind
        ? (connection as Extract<HostSnapshot['connection'], { kind: K }>)
        : null;
    });
  }

  /** Ends this core and starts another one over the same saved files, as closing and opening the app would. */
  async restart(): Promise<CoreHarness> {
    await this.core?.stop();
    this.core = null;
    this.successor = await CoreHarness.start(this.configFile, this.overrides, this.folder);
    return this.successor;
  }

  async stop(): Promise<void> {
    await this.successor?.stop();
    await this.core?.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private receive(event: CoreEvent): void {
    if (event.event === 'host:changed') this.hosts.set(event.data.id, event.data);
    if (event.event === 'host:gone') this.hosts.delete(event.data.hostId);
    if (event.event === 'samples')
      for (const { hostId, sample } of event.data) {
        this.samples.set(hostId, sample);
        this.sampleLog.push({ hostId, seq: sample.seq, atMs: sample.atMs });
      }
    if (isTerminalEvent(event)) this.terminalLog.push(event);
    if (event.event === 'audit') this.audit.push(event.data.record);
    if (event.event === 'notice') this.notices.push(event.data.message);
    for (const settle of Array.from(this.waiting)) settle();
  }
}
