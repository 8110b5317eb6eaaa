import { describe, expect, it } from 'vitest';
import { FREE_AFTER_MS, NoticeWatch, REPEAT_MS } from '../../renderer/features/notices/watch.ts';
import { trayState } from '../../renderer/features/notices/tray-state.ts';
import type { Job } from '../../model/job.ts';
import type { ProcessSample, Sample } from '../../model/sample.ts';
import type { HostSnapshot } from '../../model/model.ts';
import { job } from '../fakes/fake-jobs.ts';
import { auditRecord } from '../fakes/fake-audit.ts';
import { agent, gpu, host, live, slice } from '../fakes/fake-hosts.ts';
import { IN_ITS_SLICE } from '../fakes/fake-samples.ts';

const on = gpu('a', 0, 'NVIDIA A100', 40960);
const mine = slice(on, 'nightly', 'mira', 20, 25);
const theirs = slice(on, 'serve', 'tom', 10, 25);
const known = host('a', live('a'), [on], [mine, theirs]);
const watchOf = (of: HostSnapshot | null = known) => new NoticeWatch(() => of);
const lost = { code: 'connection-lost', message: 'The link broke.', detail: null } as const;
const away: HostSnapshot = {
  ...known,
  connection: { kind: 'reconnecting', attempt: 1, nextAttemptAtMs: null, failure: lost },
};

const process: ProcessSample = {
  pid: 7,
  startTicks: '1',
  uid: 1000,
  user: 'mira',
  command: 'python',
  container: null,
  unit: null,
  sliceId: null,
  gpuUuid: on.uuid,
  jobId: null,
  memoryUsedBytes: 1,
  computeUsedTenths: 0,
  throttledTenths: null,
  gated: null,
  startedAtMs: null,
  ...IN_ITS_SLICE,
};
const limits = { hotCelsius: 90, idleMinutes: 10, idleSinceMs: () => null };
const sample = (atMs: number, processes: readonly ProcessSample[]): { hostId: string; sample: Sample } => ({
  hostId: known.id,
  sample: { seq: 1, atMs, gpus: [], slices: [], processes, processesOmitted: 0 },
});

describe('a job that ended', () => {
  const running = job(mine, 'train', 'mira', { state: 'running', startedAtMs: 0 });
  const others = job(theirs, 'serve', 'tom', { state: 'running' });
  const withJobs = (jobs: readonly Job[], of = known): HostSnapshot => ({
    ...of,
    jobs: { slotsPerSlice: 1, jobs, jobsOmitted: 0 },
  });
  const done = { ...running, state: 'ended', exitCode: 0, endedAtMs: 120_000 } as const;

  it('is told, if it is yours, once, with how it ended', () => {
    const watch = watchOf();
    expect(watch.jobs(withJobs([running, others]))).toEqual([]);
    const after = withJobs([done, { ...others, state: 'ended' }]);
    expect(watch.jobs(after)).toEqual([
      {
        kind: 'jobEnded',
        title: 'train: done',
        body: 'On a, in nightly after 2 min.',
        link: `tranche://host/a/gpu/${on.uuid}/slice/${mine.id}`,
      },
    ]);
    expect(watch.jobs(after)).toEqual([]);
  });
  it('is told after a lost connection, as soon as it is known who you are there', () => {
    const watch = watchOf();
    watch.jobs(withJobs([running]));
    expect(watch.jobs(withJobs([running], away))).toEqual([]);
    expect(watch.jobs(withJobs([{ ...done, exitCode: 3 }], away))).toEqual([]);
    expect(watch.jobs(withJobs([{ ...done, exitCode: 3 }]))).toMatchObject([
      { title: 'train: failed, exit 3' },
    ]);
  });
  it('is no news when you cancelled it, or when it was over before you looked', () => {
    const watch = watchOf();
    expect(watch.jobs(withJobs([done]))).toEqual([]);
    watch.jobs(withJobs([running]));
    expect(watch.jobs(withJobs([{ ...done, state: 'cancelled', byUser: 'mira' }]))).toEqual([]);
    watch.jobs(withJobs([running]));
    expect(watch.jobs(withJobs([{ ...done, state: 'cancelled', byUser: 'tom' }]))).toMatchObject([
      { title: 'train: cancelled', body: 'On a, in nightly after 2 min. Cancelled by tom.' },
    ]);
  });
});

describe('notices', () => {
  it('say that a host was lost, once in a while', () => {
    const watch = watchOf();
    expect(watch.host(away, 0)).toMatchObject({
      kind: 'hostLost',
      title: 'a is lost',
      link: 'tranche://host/a',
    });
    expect(watch.host(away, REPEAT_MS - 1)).toBeNull();
    expect(watch.host(away, REPEAT_MS)).not.toBeNull();
  });
  it('tell of an error of a GPU, once in a while, and of another one at once', () => {
    const watch = watchOf();
    const notice = (message: string, gpuUuid: string | null = on.uuid, code = 'xid') => ({
      hostId: known.id,
      atMs: 0,
      code,
      sliceId: null,
      gpuUuid,
      message,
    });
    expect(watch.fault(notice('GPU 0 reported XID 79. Gone.'), 0)).toMatchObject({
      kind: 'fault',
      title: 'GPU 0 of a reported an error',
      link: `tranche://host/a/gpu/${on.uuid}`,
    });
    expect(watch.fault(notice('GPU 0 reported XID 79. Gone.'), REPEAT_MS - 1)).toBeNull();
    expect(watch.fault(notice('GPU 0 reported XID 31. Bad.'), 1)).not.toBeNull();
    expect(watch.fault(notice('GPU 0 reported XID 79. Gone.'), REPEAT_MS)).not.toBeNull();
    expect(watch.fault(notice('x', 'GPU-gone'), 0)).toBeNull();
    expect(watch.fault(notice('x', on.uuid, 'denied'), 0)).toBeNull();
  });
  it('are silent about a host that was not live', () => {
    expect(watchOf(away).host(away, 0)).toBeNull();
    expect(watchOf(null).host(away, 0)).toBeNull();
    expect(watchOf().host({ ...known, connection: { kind: 'disconnected' } }, 0)).toBeNull();
  });
  it('say that a GPU is free, after a while and once', () => {
    const watch = watchOf();
    expect(watch.samples([sample(0, [])], limits, 0)).toEqual([]);
    expect(watch.samples([sample(1000, [process])], limits, 0)).toEqual([]);
    expect(watch.samples([sample(1000 + FREE_AFTER_MS - 1, [])], limits, 0)).toEqual([]);
    expect(watch.samples([sample(1000 + FREE_AFTER_MS, [])], limits, 0)).toMatchObject([
      { kind: 'gpuFree', title: 'GPU 0 of a is free', link: `tranche://host/a/gpu/${on.uuid}` },
    ]);
    expect(watch.samples([sample(90_000, [])], limits, 0)).toEqual([]);
  });
  it('take a restart of a program for no news', () => {
    const watch = watchOf();
    watch.samples([sample(0, [process])], limits, 0);
    watch.samples([sample(FREE_AFTER_MS - 1, [])], limits, 0);
    watch.samples([sample(FREE_AFTER_MS, [process])], limits, 0);
    expect(watch.samples([sample(FREE_AFTER_MS + 5, [])], limits, 0)).toEqual([]);
  });
  it('tell of a hot GPU, once in a while', () => {
    const watch = watchOf();
    const at = (temperatureC: number | null, nowMs: number) => {
      const { hostId, sample: bare } = sample(0, []);
      const reading = { uuid: on.uuid, temperatureC } as unknown as Sample['gpus'][number];
      return watch.samples([{ hostId, sample: { ...bare, gpus: [reading] } }], limits, nowMs);
    };
    expect(at(89, 0)).toEqual([]);
    expect(at(null, 0)).toEqual([]);
    expect(at(90, 0)).toMatchObject([{ kind: 'hot', title: 'GPU 0 of a is hot' }]);
    expect(at(95, REPEAT_MS - 1)).toEqual([]);
    expect(at(95, REPEAT_MS)).toHaveLength(1);
  });
  it('tell of a slice of mine that is idle, once per spell', () => {
    const watch = watchOf();
    const at = (atMs: number, since: number | null) =>
      watch.samples(
        [sample(atMs, [])],
        { ...limits, idleSinceMs: (_h, id) => (id === mine.id ? since : 0) },
        atMs,
      );
    expect(at(599_999, 0)).toEqual([]);
    expect(at(600_000, 0)).toMatchObject([{ kind: 'idle', title: 'nightly is held but idle' }]);
    expect(at(700_000, 0)).toEqual([]);
    expect(at(800_000, null)).toEqual([]);
    expect(at(1_500_000, 850_000)).toHaveLength(1);
  });
  it('tell of a denial in a slice of mine alone', () => {
    const denied = (sliceId: string) => ({
      hostId: known.id,
      atMs: 0,
      code: 'denied',
      sliceId,
      gpuUuid: null,
      message: 'no',
    });
    expect(watchOf().denied(denied(mine.id), 0)).toMatchObject({ title: 'nightly was denied memory' });
    expect(watchOf().denied(denied(theirs.id), 0)).toBeNull();
    expect(watchOf().denied({ ...denied(mine.id), code: 'limit-not-held' }, 0)).toBeNull();
  });
  it('tell of changes that somebody else made to what is mine', () => {
    const by = (
      uid: number,
      before = mine,
      after: typeof mine | null = { ...mine, memoryLimitBytes: 1024 ** 3 },
    ) => ({
      hostId: known.id,
      record: { ...auditRecord(1, 0, 'tom', before, after), uid },
    });
    expect(watchOf().audit(by(1001))).toMatchObject({
      title: 'tom changed your slice nightly',
      body: 'On a. Its limit was 20.0 GiB and is 1.0 GiB.',
    });
    expect(watchOf().audit(by(1001, mine, null))).toMatchObject({ title: 'tom deleted your slice nightly' });
    expect(watchOf().audit(by(1001, theirs, { ...theirs, owner: 'mira' }))?.title).toBe('tom gave you serve');
    expect(watchOf().audit(by(1000))).toBeNull();
    expect(watchOf().audit(by(1001, theirs, { ...theirs, name: 'x' }))).toBeNull();
    const refused = by(1001);
    expect(
      watchOf().audit({ ...refused, record: { ...refused.record, refusal: 'not-permitted' } }),
    ).toBeNull();
  });
});

describe('tray', () => {
  it('shows the worst state and what is free', () => {
    const stale = { ...known, connection: { kind: 'stale', agent: agent('a'), lastSampleAtMs: 0 } } as const;
    expect(trayState([known], () => null, false)).toMatchObject({
      worst: 'live',
      hosts: [{ label: 'a: 10.0 GiB free', link: 'tranche://host/a' }],
    });
    expect(trayState([known, stale], () => null, false).worst).toBe('warn');
    expect(
      trayState([stale, { ...known, connection: { kind: 'failed', failure: lost } }], () => null, true),
    ).toMatchObject({
      worst: 'bad',
      paused: true,
    });
  });
});
