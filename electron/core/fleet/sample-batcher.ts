/** Samples of all hosts in one message a tick; of each host only the newest. */
import type { Sample } from '../../../model/sample.ts';
import type { HostId } from '../../../model/model.ts';

const TICK_MS = 50;

export class SampleBatcher {
  private readonly newest = new Map<HostId, Sample>();
  private timer: NodeJS.Timeout | null = null;
  private readonly send: (batch: readonly { hostId: HostId; sample: Sample }[]) => void;

  constructor(send: (batch: readonly { hostId: HostId; sample: Sample }[]) => void) {
    this.send = send;
  }

  add(hostId: HostId, sample: Sample): void {
    this.newest.set(hostId, sample);
    this.timer ??= setTimeout(() => {
      this.timer = null;
      const batch = [...this.newest].map(([id, one]) => ({ hostId: id, sample: one }));
      this.newest.clear();
      this.send(batch);
    }, TICK_MS);
  }
}
