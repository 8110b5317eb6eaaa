/** What the window draws of one host: changed here and nowhere else, and each change told. */
import type { JobsEvent, SampleEvent, StateEvent } from '../../../model/agent-protocol.ts';
import { backendOf } from '../../../model/backends.ts';
import type { Sample } from '../../../model/sample.ts';
import type { ConnectionState, HostSnapshot, TransportChoice } from '../../../model/model.ts';
import type { ChosenTransport } from '../ssh/transport.ts';

export interface HostPictureOptions {
  readonly id: string;
  readonly name: string;
  readonly source: HostSnapshot['source'];
  readonly onChange: (snapshot: HostSnapshot) => void;
}

export class HostPicture {
  private readonly onChange: (snapshot: HostSnapshot) => void;
  private snapshot: HostSnapshot;

  constructor({ id, name, source, onChange }: HostPictureOptions) {
    this.onChange = onChange;
    this.snapshot = {
      id,
      name,
      source,
      address: null,
      transport: { choice: 'auto', used: null, reason: null },
      connection: { kind: 'disconnected' },
      gpus: [],
      slices: [],
      people: [],
      quotas: [],
      memoryOvercommitMaxPercent: null,
      escapes: null,
      lastSample: null,
      jobs: null,
    };
  }

  get current(): HostSnapshot {
    return this.snapshot;
  }

  get connection(): ConnectionState {
    return this.snapshot.connection;
  }

  setConnection(connection: ConnectionState): void {
    this.put({ connection });
  }

  /** Names the step of an attempt that is under way; a host that reconnects keeps its own state. */
  showStep(step: string): boolean {
    if (this.connection.kind !== 'connecting') return false;
    this.setConnection({ kind: 'connecting', step });
    return true;
  }

  setTransportChoice(choice: TransportChoice): void {
    const { transport } = this.snapshot;
    if (transport.choice !== choice) this.put({ transport: { ...transport, choice } });
  }

  /** Told with the next step of the attempt. */
  setTransportUsed(chosen: ChosenTransport): void {
    this.putQuietly({ transport: { ...this.snapshot.transport, ...chosen } });
  }

  /** Told with the next step of the attempt. */
  setAddress(address: string): void {
    this.putQuietly({ address });
  }

  applyState(event: StateEvent): void {
    const { slices, people, quotas, faults, memoryOvercommitMaxPercent, escapes } = event;
    const partitions = event.partitions ?? event.migSlices;
    const gpus = event.gpus.map((gpu) => ({
      ...gpu,
      backend: backendOf(event.backends, gpu.backend),
      faults: faults?.filter(({ gpuUuid }) => gpuUuid === gpu.uuid) ?? null,
      partitions: partitions?.filter(({ gpuUuid }) => gpuUuid === gpu.uuid) ?? null,
    }));
    this.put({ gpus, slices, people, quotas, memoryOvercommitMaxPercent, escapes });
  }

  applyJobs({ slotsPerSlice, jobs, jobsOmitted }: JobsEvent): void {
    this.put({ jobs: { slotsPerSlice, jobs, jobsOmitted } });
  }

  /** Told by itself, in batches over all hosts: the picture only keeps the newest. */
  applySample(event: SampleEvent): Sample {
    const { ev: _ev, ...sample } = event;
    this.putQuietly({ lastSample: sample });
    return sample;
  }

  /** Another agent may have no queue and then says nothing of jobs. Told when it is live. */
  forgetJobs(): void {
    this.putQuietly({ jobs: null });
  }

  /** The agent was removed. Told with what is seen without one. */
  forgetAgent(): void {
    this.putQuietly({ gpus: [], slices: [], people: [], lastSample: null, jobs: null });
  }

  private put(change: Partial<HostSnapshot>): void {
    this.putQuietly(change);
    this.onChange(this.snapshot);
  }

  private putQuietly(change: Partial<HostSnapshot>): void {
    this.snapshot = { ...this.snapshot, ...change };
  }
}
