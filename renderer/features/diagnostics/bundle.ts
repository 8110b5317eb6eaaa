/** The diagnostics bundle: what helps to find a fault, without whose hosts they are. Pure. */
import type { Sample } from '../../../model/sample.ts';
import type { HostSnapshot } from '../../../model/model.ts';
import { utc } from '../../domain/when.ts';
import type { LoggedEvent } from '../../store/ui.ts';
import { namesIn, withoutShapes } from './shapes.ts';

export interface BundleInput {
  readonly atMs: number;
  readonly appVersion: string;
  readonly platform: string;
  readonly transport: string;
  readonly userAgent: string;
  readonly hosts: readonly HostSnapshot[];
  readonly samples: ReadonlyMap<string, Sample>;
  readonly events: readonly LoggedEvent[];
  readonly settings: unknown;
  readonly droppedSamples: number;
}

const EVENTS_MAX = 100;

/** Names become `host-1`, `person-2`: the same one the same way everywhere, so that the story can still be followed. */
export class Redactor {
  readonly #names = new Map<string, string>();
  readonly #counts = new Map<string, number>();

  add(kind: string, name: string | null): void {
    if (name === null || name.length < 2 || this.#names.has(name)) return;
    const count = (this.#counts.get(kind) ?? 0) + 1;
    this.#counts.set(kind, count);
    this.#names.set(name, `${kind}-${String(count)}`);
  }

  /** Names that a text gives away are replaced in every other one too. */
  learn(text: string): void {
    for (const { kind, name } of namesIn(text)) this.add(kind, name);
  }

  /** Known names, as whole words; then whatever names somebody or opens something by its shape. */
  text(text: string): string {
    let out = text;
    const longestFirst = [...this.#names].sort(([a], [b]) => b.length - a.length);
    for (const [name, mark] of longestFirst) {
      const literal = name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
      out = out.replace(new RegExp(`(?<![A-Za-z0-9])${literal}(?![A-Za-z0-9])`, 'gi'), mark);
    }
    return withoutShapes(out);
  }

  /** The same with every text in it, names of fields too: settings are kept by host. */
  all(value: unknown): unknown {
    if (typeof value === 'string') return this.text(value);
    if (Array.isArray(value)) return value.map((one) => this.all(one));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [this.text(key), this.all(one)]));
  }
}

function redactorFor(input: BundleInput): Redactor {
  const redact = new Redactor();
  for (const host of input.hosts) {
    redact.add('host', host.address);
    redact.add('host', host.name);
    // Messages name a host without its port.
    redact.add('host', host.name.replace(/:\d+$/, ''));
    redact.learn(`${host.name} ${host.address ?? ''}`);
    if ('failure' in host.connection) redact.learn(host.connection.failure.message);
    for (const slice of host.slices) {
      redact.add('slice', slice.name);
      redact.add('person', slice.owner);
    }
    for (const person of host.people) redact.add('person', person.name);
    for (const process of input.samples.get(host.id)?.processes ?? []) redact.add('person', process.user);
    const { connection } = host;
    if (connection.kind === 'live' || connection.kind === 'stale') {
      redact.add('host', connection.agent.hostName);
      redact.add('person', connection.agent.managerName);
      redact.add('person', connection.agent.yourName);
    }
  }
  for (const { text } of input.events) redact.learn(text);
  return redact;
}

function hostPart(host: HostSnapshot, sample: Sample | undefined, redact: Redactor): unknown {
  const { connection } = host;
  const agent = connection.kind === 'live' || connection.kind === 'stale' ? connection.agent : null;
  const failure = 'failure' in connection ? connection.failure : null;
  return {
    name: redact.text(host.name),
    source: host.source,
    state: connection.kind,
    failure: failure === null ? null : { code: failure.code, message: redact.text(failure.message) },
    agent:
      agent === null
        ? null
        : redact.all({
            version: agent.version,
            protocol: agent.protocol,
            arch: agent.arch,
            scope: agent.scope,
            verbs: agent.verbs,
            driver: agent.driver,
            simulated: agent.simulated,
          }),
    gpus: host.gpus.map(({ index, name, capacityBytes, partitioned, computeMode, backend }) => ({
      index,
      name: redact.text(name),
      capacityBytes,
      backend: backend.id,
      partitioned,
      computeMode,
    })),
    slices: host.slices.map((slice) => ({
      name: redact.text(slice.name),
      owner: redact.text(slice.owner),
      gpu: host.gpus.find((gpu) => gpu.uuid === slice.gpuUuid)?.index ?? null,
      memoryLimitBytes: slice.memoryLimitBytes,
      computeLimitPercent: slice.computeLimitPercent,
      revision: slice.revision,
    })),
    sample:
      sample === undefined
        ? null
        : { seq: sample.seq, processes: sample.processes.length, omitted: sample.processesOmitted },
  };
}

export function diagnosticsBundle(input: BundleInput): string {
  const redact = redactorFor(input);
  const bundle = {
    madeAt: utc(input.atMs),
    app: {
      version: input.appVersion,
      platform: input.platform,
      transport: input.transport,
      engine: input.userAgent,
    },
    settings: redact.all(input.settings),
    droppedSamples: input.droppedSamples,
    hosts: input.hosts.map((host) => hostPart(host, input.samples.get(host.id), redact)),
    events: input.events.slice(-EVENTS_MAX).map(({ atMs, tone, text, count }) => ({
      at: utc(atMs),
      tone,
      text: redact.text(text),
      count,
    })),
  };
  return `${JSON.stringify(bundle, null, 2)}\n`;
}
