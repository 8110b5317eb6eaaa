/** What is wrong with a slice, and the act that fixes it. */
import type { ReactElement } from 'react';
import type { Gpu } from '../../../model/gpu.ts';
import type { Slice, SliceSample } from '../../../model/slice.ts';
import type { HostSnapshot } from '../../../model/model.ts';
import { editRefusal } from '../../domain/rights.ts';
import { noticeOf } from '../../domain/slice-notice.ts';
import type { NoticeAct } from '../../domain/slice-notice.ts';
import { hostNowMs } from '../../store/series.ts';
import { Button } from '../../components/bits.tsx';
import { changeSlice } from '../../acts/slices.ts';
import { runCommand } from '../../commands/registry.ts';

function run(host: HostSnapshot, slice: Slice, act: NoticeAct): void {
  if (act.kind === 'change') void changeSlice(host, slice, act.change);
  // The notice is shown of the slice that is selected, which is the one that the command gives.
  else runCommand('slice.give');
}

export function SliceNotice(props: {
  readonly host: HostSnapshot;
  readonly gpu: Gpu;
  readonly slice: Slice;
  readonly reading: SliceSample | null;
}): ReactElement | null {
  const { host, gpu, slice, reading } = props;
  const notice = noticeOf(host, gpu, slice, reading, hostNowMs(host.id));
  if (notice === null) return null;
  const { act } = notice;
  return (
    <div className={`notice ${notice.tone}-notice`}>
      <b className="strong">{notice.title}</b> {notice.text}
      {act !== null && (
        <div className="row">
          <Button tight onClick={() => run(host, slice, act)} refusal={editRefusal(host)}>
            {act.word}
          </Button>
        </div>
      )}
    </div>
  );
}
