/** Jobs over real SSH: started through the one channel, left alone while the link is away, whole when it is back. */
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Job } from '../../model/job.ts';
import type { JobLogPart } from '../../model/model.ts';
import { HOST, links, makeSlice, overEmbedded } from './support/breakable-link.ts';
import type { CoreHarness } from './support/core-harness.ts';
import { whyNoSshd } from './support/openssh.ts';
import { processesIn, requireBuilt } from './support/private-root.ts';
import { SshLab } from './support/ssh-lab.ts';

/** Ticks of a job that goes on while nobody is connected. */
const TICKS = 12;
const COMMAND = `for i in $(seq 1 ${String(TICKS)}); do echo "tick $i"; sleep 0.25; done; exit 7`;
const WHOLE_LOG = Array.from({ length: TICKS }, (_, i) => `tick ${String(i + 1)}\n`).join('');

let lab: SshLab;
beforeAll(requireBuilt);
beforeEach(() => {
  lab = new SshLab();
});
afterEach(() => lab.end());

const start = (harness: CoreHarness, sliceId: string, command: string) =>
  harness.request('job:start', {
    hostId: HOST,
    sliceId,
    command,
    name: null,
    cwd: null,
    priority: 'normal',
    preemptible: false,
    requeue: false,
    preempts: false,
    minFreeBytes: null,
    graceMs: 30_000,
    environment: null,
  });

async function started(harness: CoreHarness, sliceId: string, command: string): Promise<string> {
  const result = await start(harness, sliceId, command);
  if (!result.ok) throw new Error(result.error.message);
  return result.value.jobId;
}

const jobOf = (harness: CoreHarness, jobId: string): Job | undefined =>
  harness.host(HOST).jobs?.jobs.find(({ id }) => id === jobId);

it('a job has the language of its user, not that of our scripts', async () => {
  const { harness } = await overEmbedded(lab);
  const sliceId = await makeSlice(harness);
  const jobId = await started(
    harness,
    sliceId,
    'env | grep -E "^(LANG|LC_ALL)="; printf "\\303\\274ber" | wc -m',
  );
  await harness.until('it is over', () => jobOf(harness, jobId)?.exitCode === 0);
  const { text } = await readLog(harness, jobId);
  expect(text.trim().split('\n')).toEqual(['LANG=C.UTF-8', '4']);
});

/** Everything from an offset on. */
async function readLog(
  harness: CoreHarness,
  jobId: string,
  from = 0,
): Promise<{ text: string; part: JobLogPart }> {
  let text = '';
  let offset = from;
  for (;;) {
    const part = await harness.ask('job:log', { hostId: HOST, jobId, offset });
    text += part.data;
    offset = part.nextOffset;
    if (part.nextOffset >= part.endOffset) return { text, part };
  }
}

describe.each(['openssh', 'embedded'] as const)('a job over the %s server', (server) => {
  it.skipIf(server === 'openssh' && whyNoSshd !== null)(
    'goes on while the connection is away; then its end and its whole log are there',
    async () => {
      const { harness, pull, plugIn, root } = await links[server](lab);
      const jobId = await started(harness, await makeSlice(harness), COMMAND);
      await harness.until('it runs', () => jobOf(harness, jobId)?.state === 'running');
      await harness.until('it is in its slice', () => jobOf(harness, jobId)?.pid);
      let read = await readLog(harness, jobId);
      while (!read.text.includes('tick 2\n')) read = await readLog(harness, jobId);
      expect(read.part.over).toBe(false);
      pull();
      await harness.until('the link is away', () => harness.host(HOST).connection.kind !== 'live');
      const pid = jobOf(harness, jobId)?.pid ?? 0;
      await harness.until('its program ends by itself', () => !processesIn(root).includes(pid));
      await plugIn();
      await harness.untilConnection(HOST, 'live');
      const job = await harness.until('its end', () => {
        const found = jobOf(harness, jobId);
        return found?.state === 'ended' ? found : null;
      });
      expect(job).toMatchObject({ exitCode: 7, signal: null, runs: 1 });
      const rest = await readLog(harness, jobId, read.part.nextOffset);
      expect(read.text + rest.text).toBe(WHOLE_LOG);
      expect(rest.part).toMatchObject({ over: true, skippedBytes: 0 });
    },
  );
});

describe('jobs through the core', () => {
  it('wait, are held, released and cancelled, and the snapshot follows', async () => {
    const { harness } = await overEmbedded(lab);
    const sliceId = await makeSlice(harness);
    const first = await started(harness, sliceId, 'sleep 60');
    const second = await started(harness, sliceId, 'true');
    await harness.until(
      'the second waits for the first',
      () => jobOf(harness, second)?.waits?.jobId === first,
    );
    await harness.ask('job:act', { hostId: HOST, jobId: second, act: 'hold' });
    await harness.until('it is held', () => jobOf(harness, second)?.state === 'held');
    await harness.ask('job:act', { hostId: HOST, jobId: first, act: 'cancel' });
    await harness.until('the first has ended', () => jobOf(harness, first)?.state === 'cancelled');
    expect(jobOf(harness, second)?.state).toBe('held');
    await harness.ask('job:priority', { hostId: HOST, jobId: second, priority: 'high' });
    await harness.ask('job:act', { hostId: HOST, jobId: second, act: 'release' });
    await harness.until('the second has run', () => jobOf(harness, second)?.state === 'ended');
    await harness.ask('job:slots', { hostId: HOST, slots: 3 });
    await harness.until('three slots', () => harness.host(HOST).jobs?.slotsPerSlice === 3);
  });

  it('carry a command line through unread, whatever is in it', async () => {
    const { harness } = await overEmbedded(lab);
    const odd = `printf '%s\\n' "quote\\" \\$HOME" '$(exit 1)' ';&|<>' 'ü €' "it's" # a comment\nprintf second`;
    const jobId = await started(harness, await makeSlice(harness), odd);
    await harness.until('it has run', () => jobOf(harness, jobId)?.state === 'ended');
    const { text } = await readLog(harness, jobId);
    expect(text).toBe(`quote" $HOME\n$(exit 1)\n;&|<>\nü €\nit's\nsecond`);
  });

  it('say what they need of an agent that has no queue, and of one that is not connected', async () => {
    const { harness } = await overEmbedded(lab);
    const gone = await start(harness, 's-0000000000000000', 'true');
    expect(gone).toMatchObject({ ok: false, error: { code: 'unknown-slice' } });
    await harness.ask('host:disconnect', { hostId: HOST });
    expect(await start(harness, 's-0000000000000000', 'true')).toMatchObject({
      ok: false,
      error: { code: 'not-connected' },
    });
  });
});
