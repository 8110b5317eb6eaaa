/** A slice that admits nothing although it is open by its times: its owner's uid is somebody else's by now. */
import { describe, expect, it } from 'vitest';
import { sliceSchema } from '../../model/slice.ts';
import type { Slice, SliceSample } from '../../model/slice.ts';
import { gpuSentence, segmentText } from '../../renderer/domain/gpu-sentence.ts';
import { gpuView } from '../../renderer/domain/host-figures.ts';
import { runRefusal, usableSlices } from '../../renderer/domain/job-rights.ts';
import { noticeOf } from '../../renderer/domain/slice-notice.ts';
import { matchesRow, sliceRows } from '../../renderer/domain/slice-rows.ts';
import { terminalRefusal } from '../../renderer/domain/terminal-rights.ts';
import { NOW, SUSPENDED_REASON, faulty, hopper } from '../fakes/fake-hosts.ts';
import { Meter } from '../fakes/fake-samples.ts';

const host = faulty();
const [gpu] = host.gpus;
const embed = host.slices.find(({ name }) => name === 'embed');
if (gpu === undefined || embed === undefined) throw new Error('the fake host lacks what it is tested with');
const sample = new Meter().sample(host);
/** Denied a moment ago: of two reasons the other one would be named too. */
const denied = { ...sample.slices[0], deniedAtMs: NOW, deniedBytes: 1 } as SliceSample;

describe('a suspended slice', () => {
  it('is offered for nothing new, and says why, also to who may use every slice', () => {
    const why = `embed is suspended: ${SUSPENDED_REASON}.`;
    expect(terminalRefusal(host, embed)).toBe(why);
    expect(runRefusal({ ...host, jobs: { slotsPerSlice: 1, jobs: [], jobsOmitted: 0 } }, embed)).toBe(why);
    expect(usableSlices(host)).not.toContain(embed);
    const open = { ...embed, suspendedReason: null };
    const opened = { ...host, slices: host.slices.map((one) => (one === embed ? open : one)) };
    expect(terminalRefusal(opened, open)).toBeNull();
  });
  it('is read from the agent’s line, and is unknown to an agent of before', () => {
    expect(sliceSchema.parse(embed).suspendedReason).toBe(SUSPENDED_REASON);
    const { suspendedReason: _unsaid, ...before } = embed;
    expect(sliceSchema.parse(before).suspendedReason).toBeNull();
  });
  it('says so in all that its segment tells', () => {
    expect(segmentText(embed, null, embed.memoryLimitBytes)).toBe(
      `24.0 GiB, — in use, suspended: ${SUSPENDED_REASON}`,
    );
    expect(segmentText({ ...embed, suspendedReason: null }, null, embed.memoryLimitBytes)).not.toMatch(
      'suspended',
    );
  });
  it('stands under its GPU before what was denied, and behind what is broken', () => {
    const view = gpuView(host, gpu, sample);
    const samples = { ...sample, slices: [denied] };
    expect(gpuSentence(view, samples, NOW)).toEqual({
      mark: 'warn',
      text: 'embed is suspended',
      more: SUSPENDED_REASON,
    });
    const xid = {
      source: 'XID',
      code: 79,
      kind: 'hardware',
      text: 'Gone.',
      count: 1,
      firstAtMs: NOW,
      atMs: NOW,
    } as const;
    expect(gpuSentence({ ...view, gpu: { ...gpu, faults: [xid] } }, samples, NOW)?.text).toMatch(/^XID 79/);
    expect(gpuSentence(gpuView(hopper(), gpu, sample), samples, NOW)?.text).toMatch(/was denied/);
  });
  it('has a notice with the reason and the way out, whatever else is wrong with it', () => {
    const notice = (slice: Slice) => noticeOf(host, gpu, slice, denied, NOW);
    expect(notice(embed)).toMatchObject({
      tone: 'bad',
      title: 'Suspended: nothing is admitted.',
      act: { kind: 'give', word: 'Give to…' },
    });
    expect(notice(embed)?.text).toContain(SUSPENDED_REASON);
    expect(notice({ ...embed, suspendedReason: null })?.title).toBe('Denied memory at its own limit.');
  });
  it('is found in the table by that word', () => {
    const found = sliceRows([host], () => sample).filter((row) => matchesRow(row, 'suspended', []));
    expect(found.map(({ name }) => name)).toEqual(['embed']);
  });
});
