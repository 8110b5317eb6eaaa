/**
 * A lab without SSH: implements TrancheApi in the page itself, with samples that move and edits that obey the agent's
 * rules (admission, revisions, undo tokens). For pictures and browser tests of the renderer only.
 */
import { admit, admitQuota } from '../../model/admission.ts';
import type { ErrorCode, Failure, Result } from '../../model/errors.ts';
import { assertNever, fail, ok } from '../../model/errors.ts';
import type { CoreEvent, RequestArgs, RequestChannel, RequestValues, TrancheApi } from '../../model/ipc.ts';
import type { Gpu } from '../../model/gpu.ts';
import type { Job } from '../../model/job.ts';
import type { AuditRecord } from '../../model/people.ts';
import type { Slice } from '../../model/slice.ts';
import type {
  ConnectionState,
  DeployStep,
  FleetSnapshot,
  History,
  HostId,
  HostSnapshot,
  SliceEdit,
} from '../../model/model.ts';
import { GIB, gibWithUnit } from '../../model/units.ts';
import type { UpdateState } from '../../model/updates.ts';
import { heldBy, quotaOf, quotaText, whomOf } from '../../renderer/domain/quota.ts';
import { Meter } from './fake-samples.ts';
import { FakeJobs, jobsOf } from './fake-jobs.ts';
import { FakeTerminals } from './fake-terminals.ts';
import { auditOf, auditRecord } from './fake-audit.ts';
import {
  ada,
  agent,
  crowded,
  faulty,
  gatedLab,
  gpu,
  hopper,
  host,
  live,
  manyHosts,
  otherStates,
  quoted,
  slice,
} from './fake-hosts.ts';

export type Scene =
  | 'lab'
  | 'empty'
  | 'crowd'
  | 'prompt-key'
  | 'prompt-password'
  | 'prompt-keyboard'
  | 'prompt-passphrase'
  | 'deploying'
  | 'bare'
  | 'idle'
  | 'gated'
  | 'quotas'
  | 'faults'
  | 'many';

export interface FakeOptions {
  readonly scene?: Scene;
  readonly sampleMs?: number;
  /** Every edit is refused with this code. */
  readonly refuse?: ErrorCode;
  /** What `update:get` answers; without it no feed is set. */
  readonly update?: UpdateState;
  /** A new slice for this person fails with this code. */
  readonly createFails?: Readonly<Record<string, ErrorCode>>;
  /** The agent knows no operation that came after its first version. */
  readonly olderAgent?: boolean;
  /** Why there is no way back to the version before. */
  readonly rollbackRefusal?: string;
  /** A login shell does not find the link that was made. */
  readonly linkUnproven?: true;
}

type Handlers = { [C in RequestChannel]: (args: RequestArgs<C>) => Result<RequestValues[C]> };

const PROMPTS: Partial<Record<Scene, ConnectionState>> = {
  'prompt-key': {
    kind: 'asking',
    prompt: {
      kind: 'host-key',
      promptId: 'p1',
      hostName: 'curie.lab.example',
      keyType: 'ssh-ed25519',
      fingerprint: 'SHA256:m5pGJb3Xw0f8oYk2Zc0T1yq0Zz8nI9n6Wc3mJt2aB1Q',
      isJump: true,
    },
  },
  'prompt-password': {
    kind: 'asking',
    prompt: {
      kind: 'password',
      promptId: 'p2',
      user: 'mira',
      hostName: 'curie.lab.example',
      isJump: false,
      banner: null,
    },
  },
  'prompt-passphrase': {
    kind: 'asking',
    prompt: { kind: 'passphrase', promptId: 'p3', keyFile: '/home/mira/.ssh/id_ed25519' },
  },
  'prompt-keyboard': {
    kind: 'asking',
    prompt: {
      kind: 'keyboard',
      promptId: 'p4',
      hostName: 'curie',
      isJump: false,
      name: 'Duo two-factor login',
      instructions: 'Enter a passcode or select one of the following options:\n 1. Duo Push to XXX-XXX-0123',
      questions: [
        { text: 'Password: ', echo: false },
        { text: 'Passcode or option (1-1): ', echo: true },
      ],
    },
  },
};

function hostsOf(scene: Scene): HostSnapshot[] {
  const lab = [hopper(), ada(), ...otherStates()];
  const asking = PROMPTS[scene];
  if (asking !== undefined) return [...lab, host('curie', asking)];
  switch (scene) {
    case 'empty':
      return [];
    case 'bare': {
      const only = gpu('solo', 0, 'NVIDIA A100-SXM4-40GB', 40960);
      return [host('solo', { kind: 'live', agent: agent('solo'), upgradeTo: null }, [only])];
    }
    case 'idle': {
      const only = gpu('rest', 0, 'NVIDIA A100-SXM4-40GB', 40960);
      return [
        host(
          'rest',
          live('rest'),
          [only],
          [slice(only, 'sleeper', 'wei', 8, 20), slice(only, 'worker', 'tom', 20, 60)],
        ),
      ];
    }
    case 'faults':
      return [faulty(), ...lab.slice(1)];
    case 'gated':
      return [gatedLab(), ...lab.slice(1)];
    case 'quotas':
      return [quoted(), ...lab.slice(1)];
    case 'many':
      return manyHosts();
    case 'crowd':
      return [crowded(), ...lab];
    case 'deploying': {
      const steps: DeployStep[] = ['probe', 'upload', 'verify'];
      return [
        host('curie', {
          kind: 'deploying',
          steps: steps.map((step, i) => ({
            step,
            state: i === 2 ? 'running' : 'done',
            detail: i === 0 ? 'x86_64, glibc 2.36, ~/.local/share/tranche' : i === 1 ? '148 KiB' : null,
          })),
        }),
        ...lab,
      ];
    }
    case 'lab':
    case 'prompt-key':
    case 'prompt-password':
    case 'prompt-keyboard':
    case 'prompt-passphrase':
      return lab;
    default:
      return assertNever(scene, 'scene');
  }
}

export class FakeLab implements TrancheApi {
  readonly transport = 'fake';
  readonly platform = 'linux';
  readonly appVersion = '0.1.0';
  readonly calls: { readonly channel: string; readonly args: unknown }[] = [];
  copied: string | null = null;
  readonly #hosts = new Map<HostId, HostSnapshot>();
  readonly #listeners = new Set<(event: CoreEvent) => void>();
  readonly #undo = new Map<
    string,
    { readonly before: Slice | null; readonly after: Slice | null; readonly hostId: HostId }
  >();
  readonly #meter = new Meter();
  readonly #options: FakeOptions;
  readonly #audit = new Map<HostId, AuditRecord[]>();
  readonly #jobs = new Map<HostId, FakeJobs>();
  readonly terminals = new FakeTerminals((event) => this.push(event));
  #nextToken = 1;
  #demo = false;

  constructor(options: FakeOptions = {}) {
    this.#options = options;
    for (const snapshot of hostsOf(options.scene ?? 'lab')) {
      const lastSample = snapshot.gpus.length > 0 ? this.#meter.sample(snapshot) : null;
      // An agent of before there were jobs says nothing of them.
      const hasQueue = snapshot.connection.kind === 'live' && snapshot.connection.agent.version === '0.1.0';
      const jobs = new FakeJobs(
        snapshot.name === 'hopper' ? jobsOf(snapshot.slices) : { slotsPerSlice: 1, jobs: [], jobsOmitted: 0 },
      );
      if (hasQueue) this.#jobs.set(snapshot.id, jobs);
      this.#hosts.set(snapshot.id, { ...snapshot, lastSample, jobs: hasQueue ? jobs.list : null });
      this.#audit.set(snapshot.id, auditOf(snapshot));
    }
    setInterval(() => this.#tick(), options.sampleMs ?? 500);
  }

  onEvent(listener: (event: CoreEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async copyText(text: string): Promise<boolean> {
    this.copied = text;
    return Promise.resolve(true);
  }

  async request<C extends RequestChannel>(
    channel: C,
    args: RequestArgs<C>,
  ): Promise<Result<RequestValues[C]>> {
    this.calls.push({ channel, args });
    await new Promise((resolve) => setTimeout(resolve, 20));
    const { refuse } = this.#options;
    if (refuse !== undefined && channel.startsWith('slice:')) {
      return fail(
        refuse,
        'The agent on hopper refused: tom changed this slice 3 s ago. Nothing was changed; look again.',
      );
    }
    return this.#handlers[channel](args);
  }

  /** For tests: any event at all, as the core would push it. */
  push(event: CoreEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  setConnection(hostId: HostId, connection: ConnectionState): void {
    const known = this.#hosts.get(hostId);
    if (known !== undefined) this.#put({ ...known, connection });
  }

  /** For tests: a link that breaks, with what was under way, and comes back. */
  breakLink(hostId: HostId): void {
    this.terminals.hangUp();
    const failure: Failure = { code: 'connection-lost', message: 'The link broke.', detail: null };
    this.setConnection(hostId, { kind: 'reconnecting', attempt: 1, nextAttemptAtMs: null, failure });
  }
  mendLink(hostId: HostId): void {
    this.setConnection(hostId, live(this.#hosts.get(hostId)?.name ?? ''));
  }
  deleteSlice(hostId: HostId, sliceId: string): void {
    const known = this.#hosts.get(hostId);
    if (known !== undefined)
      this.#put({ ...known, slices: known.slices.filter((one) => one.id !== sliceId) });
  }

  /** For tests: what a job becomes, and what it writes. */
  changeJob(hostId: HostId, jobId: string, change: Partial<Job>): void {
    this.#jobs.get(hostId)?.change(jobId, change);
    this.#putJobs(hostId);
  }
  /** While set, logs cannot be read. */
  logFailure: Failure | null = null;
  writeLog(hostId: HostId, jobId: string, text: string): void {
    this.#jobs.get(hostId)?.write(jobId, text);
  }

  #putJobs(hostId: HostId): void {
    const known = this.#hosts.get(hostId);
    const jobs = this.#jobs.get(hostId);
    if (known !== undefined && jobs !== undefined) this.#put({ ...known, jobs: jobs.list });
  }

  #withJobs<T>(hostId: HostId, work: (jobs: FakeJobs) => Result<T>): Result<T> {
    const jobs = this.#jobs.get(hostId);
    if (jobs === undefined) {
      return fail(
        'upgrade-needed',
        'The agent on ada (0.0.9) has no queue for jobs. Upgrade it, then try again.',
      );
    }
    const result = work(jobs);
    setTimeout(() => this.#putJobs(hostId), 5);
    return result;
  }

  #tick(): void {
    const batch = [...this.#hosts.values()]
      .filter((h) => h.connection.kind === 'live' && h.gpus.length > 0)
      .map((h) => ({ hostId: h.id, sample: this.#meter.sample(h) }));
    this.push({ event: 'samples', data: batch });
  }

  #put(snapshot: HostSnapshot): void {
    this.#hosts.set(snapshot.id, snapshot);
    this.push({ event: 'host:changed', data: snapshot });
  }

  #pushFleet(): void {
    this.push({
      event: 'fleet:changed',
      data: { demo: this.#demoState(), configNotes: [], order: [...this.#hosts.keys()] },
    });
  }

  #demoState(): FleetSnapshot['demo'] {
    return { available: true, running: this.#demo, note: null };
  }

  #replace(hostId: HostId, before: Slice | null, after: Slice | null): Result<SliceEdit> {
    const known = this.#hosts.get(hostId);
    const sliceId = after?.id ?? before?.id;
    if (known === undefined || sliceId === undefined) return fail('unknown-host', 'No such host.');
    const revision = (before?.revision ?? after?.revision ?? 0) + 1;
    const next = after === null ? null : { ...after, revision };
    const token = `u${String(this.#nextToken++)}`;
    this.#undo.set(token, { before, after: next, hostId });
    const records = this.#audit.get(hostId) ?? [];
    const record = auditRecord((records[0]?.seq ?? 0) + 1, Date.now(), 'mira', before, next);
    this.#audit.set(hostId, [record, ...records]);
    setTimeout(() => this.push({ event: 'audit', data: { hostId, record } }), 5);
    // Done at once, and told a moment after the answer, as an agent does.
    const others = known.slices.filter((s) => s.id !== sliceId);
    this.#hosts.set(hostId, { ...known, slices: next === null ? others : [...others, next] });
    setTimeout(() => {
      const now = this.#hosts.get(hostId);
      if (now !== undefined) this.push({ event: 'host:changed', data: now });
    }, 5);
    return ok({ sliceId, revision, undoToken: token, undoExpiresAtMs: Date.now() + 600_000 });
  }

  /** As the agent: null, or the refusal. */
  #quotaRefusal(known: HostSnapshot, before: Slice | null, after: Slice | null): Result<never> | null {
    const quota = after === null ? null : quotaOf(known, after.owner);
    if (after === null || quota === null) return null;
    const others = heldBy(known, after.owner, before);
    const verdict = admitQuota({
      ...quota,
      otherSliceCount: others.slices,
      otherMemoryLimitsBytes: others.bytes,
      memoryLimitBytes: after.memoryLimitBytes,
      previousMemoryLimitBytes: before?.owner === after.owner ? before.memoryLimitBytes : 0,
    });
    return verdict.ok
      ? null
      : fail(
          verdict.code,
          `${after.owner} holds ${gibWithUnit(others.bytes)} in ${String(others.slices)} other slices on this host; with ${gibWithUnit(after.memoryLimitBytes)} more it would be beyond the ${quotaText(quota)} that ${whomOf(quota)} may hold. Nothing was changed.`,
        );
  }

  #edit(
    args: { hostId: HostId; sliceId: string; revision: number | null; overQuota?: boolean | undefined },
    change: (s: Slice) => Slice | null,
  ): Result<SliceEdit> {
    const known = this.#hosts.get(args.hostId);
    const before = known?.slices.find((s) => s.id === args.sliceId);
    if (known === undefined || before === undefined) return fail('unknown-slice', 'This slice is gone.');
    if (args.revision !== null && args.revision !== before.revision) {
      return fail(
        'changed-since',
        `tom changed ${before.name} a moment ago. Nothing was changed; look again.`,
      );
    }
    const after = change(before);
    const owner = known.gpus.find((g) => g.uuid === (after ?? before).gpuUuid);
    if (after !== null && owner !== undefined) {
      const others = known.slices.filter((s) => s.gpuUuid === owner.uuid && s.id !== before.id);
      const verdict = admit({
        ...after,
        capacityBytes: owner.capacityBytes,
        otherSliceCount: others.length,
        otherGuaranteesPercent: others.reduce((sum, s) => sum + s.computeGuaranteePercent, 0),
      });
      if (!verdict.ok) return fail(verdict.code, `The agent refused: ${verdict.code}. Nothing was changed.`);
    }
    const beyond = args.overQuota === true ? null : this.#quotaRefusal(known, before, after);
    return beyond ?? this.#replace(args.hostId, before, after);
  }

  #history(hostId: HostId, subject: string | null, fromMs: number, toMs: number): Result<History> {
    const known = this.#hosts.get(hostId);
    if (known === undefined || subject === null) return fail('unknown-slice', 'Nothing is remembered of it.');
    return ok(this.#meter.history(known, subject, fromMs, toMs));
  }

  readonly #handlers: Handlers = {
    'fleet:get': () =>
      ok({
        hosts: [...this.#hosts.values()],
        demo: this.#demoState(),
        configNotes: this.#options.scene === 'empty' ? [] : ['Host weird: Match exec is left to ssh itself'],
      }),
    'host:connect': ({ hostId }) => {
      this.setConnection(hostId, { kind: 'connecting', step: 'Verifying the host key' });
      return ok(null);
    },
    'host:disconnect': ({ hostId }) => {
      this.setConnection(hostId, { kind: 'disconnected' });
      return ok(null);
    },
    'host:add': ({ address }) => {
      if (!/^[\w.@:-]+$/.test(address)) return fail('bad-host-name', `“${address}” is not a host.`);
      const added = host(address, { kind: 'connecting', step: 'Resolving the name' }, [], [], {
        id: `typed:${address}`,
        source: 'typed',
      });
      this.#put(added);
      return ok({ hostId: added.id });
    },
    'host:forget': ({ hostId }) => {
      this.#hosts.delete(hostId);
      this.push({ event: 'host:gone', data: { hostId } });
      return ok(null);
    },
    'host:transport': ({ hostId, choice }) => {
      const known = this.#hosts.get(hostId);
      if (known) this.#put({ ...known, transport: { ...known.transport, choice } });
      return ok(null);
    },
    'host:retry': ({ hostId }) => {
      this.setConnection(hostId, { kind: 'connecting', step: 'Connecting' });
      return ok(null);
    },
    'host:deploy': ({ hostId }) => {
      this.setConnection(hostId, {
        kind: 'deploying',
        steps: [{ step: 'probe', state: 'running', detail: null }],
      });
      return ok(null);
    },
    'host:check-version': ({ version }) =>
      ok({
        version: version.replace('-x86_64', ''),
        protocol: 1,
        stateFormat: 1,
        refusal: this.#options.rollbackRefusal ?? null,
      }),
    'host:roll-back': ({ hostId, version }) => {
      const known = this.#hosts.get(hostId);
      if (known?.connection.kind !== 'live') return fail('not-connected', 'Not connected.');
      const went = { ...known.connection.agent, version: version.replace('-x86_64', ''), previous: null };
      this.setConnection(hostId, { kind: 'live', agent: went, upgradeTo: '0.1.0' });
      return ok(null);
    },
    'host:remove-agent': () =>
      ok({ removed: ['~/.local/share/tranche/0.1.0-x86_64', '~/.local/share/tranche/current'] }),
    'host:link': () =>
      ok({ path: '~/.local/bin/tranche', worksInShell: this.#options.linkUnproven !== true }),
    'prompt:answer': ({ hostId, answers }) => {
      this.setConnection(
        hostId,
        answers === null
          ? {
              kind: 'failed',
              failure: {
                code: 'authentication-cancelled',
                message: 'You cancelled the login.',
                detail: null,
              },
            }
          : { kind: 'connecting', step: 'Logging in' },
      );
      return ok(null);
    },
    'demo:start': () => {
      this.#demo = true;
      const sim = gpu('demo', 0, 'NVIDIA A100 40GB', 40960, { simulated: true });
      this.#put(
        host(
          'demo-lab',
          { kind: 'live', agent: agent('demo-lab', { simulated: true }), upgradeTo: null },
          [sim],
          [slice(sim, 'mira-1', 'mira', 12, 40)],
          { id: 'demo:1', source: 'demo', address: null },
        ),
      );
      this.#pushFleet();
      return ok(null);
    },
    'demo:stop': () => {
      this.#demo = false;
      this.#hosts.delete('demo:1');
      this.push({ event: 'host:gone', data: { hostId: 'demo:1' } });
      this.#pushFleet();
      return ok(null);
    },
    'slice:create': (args) => {
      const known = this.#hosts.get(args.hostId);
      const on = known?.gpus.find((g) => g.uuid === args.gpuUuid);
      if (known === undefined || on === undefined) return fail('unknown-gpu', 'This GPU is gone.');
      const owner = args.owner ?? 'mira';
      const failing = this.#options.createFails?.[owner];
      if (failing !== undefined) return fail(failing, `${known.name} says no for ${owner}.`);
      const name = args.name ?? `${owner}-${String(known.slices.length + 1)}`;
      const made = {
        ...slice(
          on,
          name,
          owner,
          args.memoryLimitBytes / GIB,
          args.computeLimitPercent,
          args.computeGuaranteePercent,
        ),
        priority: args.priority,
        startsAtMs: args.startsAtMs ?? null,
        expiresAtMs: args.expiresAtMs ?? null,
        createdAtMs: Date.now(),
      };
      const beyond = args.overQuota === true ? null : this.#quotaRefusal(known, null, made);
      return beyond ?? this.#replace(known.id, null, made);
    },
    'slice:resize': ({ hostId, sliceId, revision, belowUse: _belowUse, overQuota, ...change }) =>
      this.#edit({ hostId, sliceId, revision, overQuota }, (s) => {
        const given = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
        const wantedBytes = change.memoryLimitBytes ?? s.memoryLimitBytes;
        const waits = wantedBytes < s.memoryLimitBytes && wantedBytes < (this.#meter.usedBytes(s) ?? 0);
        return waits
          ? { ...s, ...given, memoryLimitBytes: s.memoryLimitBytes, pendingMemoryLimitBytes: wantedBytes }
          : { ...s, ...given, pendingMemoryLimitBytes: null };
      }),
    'slice:assign': (args) => this.#edit(args, (s) => ({ ...s, owner: args.owner })),
    'slice:move': (args) =>
      this.#options.olderAgent === true
        ? fail('unknown-op', 'This agent (0.0.9) does not know that operation.')
        : this.#edit(args, (s) => ({ ...s, gpuUuid: args.gpuUuid })),
    'slice:rename': (args) => this.#edit(args, (s) => ({ ...s, name: args.name })),
    'slice:delete': (args) => this.#edit(args, () => null),
    'slice:undo': ({ hostId, undoToken }) => {
      const entry = this.#undo.get(undoToken);
      // A token is worth something to the agent that gave it alone.
      if (entry?.hostId !== hostId) return fail('undo-expired', 'This can no longer be undone.');
      this.#undo.delete(undoToken);
      return this.#replace(entry.hostId, entry.after, entry.before);
    },
    'history:get': ({ hostId, gpuUuid, sliceId, fromMs, toMs }) =>
      this.#history(hostId, sliceId ?? gpuUuid, fromMs, toMs),
    'audit:get': ({ hostId, sliceId, beforeSeq, maxRecords }) => {
      const wanted = (this.#audit.get(hostId) ?? [])
        .filter((record) => sliceId === null || record.sliceId === sliceId)
        .filter((record) => beforeSeq === null || record.seq < beforeSeq);
      const records = wanted.slice(0, maxRecords);
      return ok({
        records,
        nextBeforeSeq: wanted.length > records.length ? (records.at(-1)?.seq ?? null) : null,
      });
    },
    'hours:get': ({ hostId }) =>
      this.#options.olderAgent === true
        ? fail('unknown-op', 'This agent (0.0.9) does not know that operation.')
        : ok(
            hostId === 'ssh:hopper'
              ? [
                  { name: 'tom', uid: 1001, usedMs: 41.5 * 3_600_000, heldMs: 92 * 3_600_000 },
                  { name: 'mira', uid: 1000, usedMs: 12.25 * 3_600_000, heldMs: 67 * 3_600_000 },
                  { name: 'gone', uid: 1009, usedMs: 3_600_000, heldMs: 3_600_000 },
                ]
              : hostId === 'ssh:ada'
                ? [{ name: 'tom', uid: 1001, usedMs: 3_600_000, heldMs: 7_200_000 }]
                : [],
          ),
    'menu:state': () => ok(null),
    'notice:show': () => ok(null),
    'tray:show': () => ok(null),
    'update:get': () => ok(this.#options.update ?? { kind: 'off' }),
    // One step at a time, pushed by the test.
    'update:act': () => ok(null),
    'settings:set': ({ hostId, memoryOvercommitMaxPercent }) => {
      const known = this.#hosts.get(hostId);
      if (known === undefined) return fail('unknown-host', 'This host is gone.');
      this.#put({ ...known, memoryOvercommitMaxPercent });
      return ok(null);
    },
    'quota:set': ({ hostId, remove, ...quota }) => {
      const known = this.#hosts.get(hostId);
      if (known === undefined) return fail('unknown-host', 'This host is gone.');
      const quotas = known.quotas.filter(({ subject }) => subject !== quota.subject);
      this.#put({ ...known, quotas: remove ? quotas : [...quotas, quota] });
      return ok(null);
    },
    'gpu:look': () => fail('no-gpu', 'This host still has no GPU to manage: no driver was found.'),
    'gpu:concurrent': ({ hostId, gpuUuid, concurrent }) => {
      const known = this.#hosts.get(hostId);
      if (known === undefined) return fail('unknown-host', 'This host is gone.');
      const gpus = known.gpus.map((one): Gpu =>
        one.uuid === gpuUuid ? { ...one, concurrent: concurrent ? 'on' : 'off' } : one,
      );
      this.#put({ ...known, gpus });
      return ok(null);
    },
    'job:environments': ({ cwd }) =>
      cwd === '/locked'
        ? fail('not-permitted', 'The folder /locked cannot be read: Permission denied.')
        : ok([
            { kind: 'venv', path: `${cwd ?? '/home/mira/train'}/.venv` },
            { kind: 'conda', path: '/home/mira/miniconda3/envs/torch' },
          ]),
    'job:start': (args) =>
      this.#withJobs(args.hostId, (jobs) => {
        const of = this.#hosts.get(args.hostId)?.slices.find((s) => s.id === args.sliceId);
        if (of === undefined)
          return fail('unknown-slice', 'There is no such slice on hopper. The job was not taken.');
        const made = jobs.start(of, args);
        return ok({ jobId: made.id, name: made.name });
      }),
    'job:act': ({ hostId, jobId, act }) =>
      this.#withJobs(hostId, (jobs) => {
        const before = jobs.find(jobId);
        if (before === undefined) return fail('unknown-job', 'There is no such job (any more).');
        const runs = before.state === 'running' || before.state === 'stopping';
        if (act === 'hold') jobs.change(jobId, { state: 'held', byUser: 'mira' });
        else if (act === 'release') jobs.change(jobId, { state: 'queued', byUser: null });
        else if (act === 'cancel' && runs) {
          jobs.change(jobId, { state: 'stopping', byUser: 'mira', killAtMs: Date.now() + before.graceMs });
        } else if (act !== 'first') {
          jobs.change(jobId, { state: 'cancelled', byUser: 'mira', endedAtMs: Date.now(), waits: null });
        }
        return ok(null);
      }),
    'job:priority': ({ hostId, jobId, priority }) =>
      this.#withJobs(hostId, (jobs) => {
        jobs.change(jobId, { priority });
        return ok(null);
      }),
    'job:slots': ({ hostId, slots }) =>
      this.#withJobs(hostId, (jobs) => {
        jobs.slots(slots);
        return ok(null);
      }),
    'job:log': ({ hostId, jobId, offset }) =>
      this.#withJobs(hostId, (jobs) => {
        if (this.logFailure !== null) return { ok: false, error: this.logFailure };
        const part = jobs.read(jobId, offset);
        return part === null
          ? fail('unknown-job', 'Your account on hopper has no log of that job: it is somebody else’s.')
          : ok(part);
      }),
    ...this.terminals.handlers((hostId) => this.#hosts.get(hostId) ?? null),
    'process:stop': () => ok(null),
    'view:visible': () => ok(null),
  };
}

declare global {
  interface Window {
    __trancheFakeOptions?: FakeOptions;
  }
}

Object.defineProperty(window, '__trancheFake', { value: new FakeLab(window.__trancheFakeOptions) });
