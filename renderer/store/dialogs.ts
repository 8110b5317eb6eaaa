/**
 * Which dialogs there are, and what each is opened with: facts alone. Who opens one knows nothing of how it is drawn;
 * the feature that draws it says so in its own `dialogs.tsx`.
 */
import type { Job } from '../../model/job.ts';
import type { ProcessSample } from '../../model/sample.ts';
import type { GpuUuid, HostId, SliceId } from '../../model/model.ts';
import type { PointRow, Quantity } from '../domain/chart-data.ts';

/** A slice that is among those picked for an act on several. */
export interface Picked {
  readonly hostId: HostId;
  readonly sliceId: SliceId;
}

export type Signal = 'INT' | 'TERM' | 'KILL';

/** Opened with nothing. */
type Nothing = object;
interface OnHost {
  readonly hostId: HostId;
}
interface OnSlice extends OnHost {
  readonly sliceId: SliceId;
}

export interface DialogArgs {
  readonly connect: Nothing;
  readonly create: OnHost & {
    readonly gpuUuid: GpuUuid;
    /** What the sheet is filled with, when it was asked for by size. */
    readonly memoryLimitBytes?: number;
  };
  readonly settings: { readonly search?: string };
  readonly 'save-view': Nothing;
  readonly points: {
    readonly title: string;
    readonly quantity: Quantity;
    readonly rows: readonly PointRow[];
  };
  readonly keys: Nothing;
  readonly update: Nothing;
  readonly diagnostics: Nothing;
  /** null: all hosts that are connected are chosen at first. */
  readonly course: { readonly onHostId: HostId | null };
  readonly tags: OnHost;
  readonly until: { readonly slices: readonly Picked[] };
  readonly trade: OnSlice;
  readonly 'delete-many': { readonly slices: readonly Picked[] };
  readonly 'stop-process': OnHost & { readonly process: ProcessSample; readonly signal: Signal };
  readonly 'run-job': OnSlice & {
    /** What a job before was: the sheet is filled with it. */
    readonly again?: Pick<Job, 'command' | 'name' | 'priority'>;
  };
  readonly 'cancel-job': OnHost & { readonly jobId: string };
  readonly 'close-terminal': OnHost & { readonly terminalId: string; readonly message: string };
  readonly 'paste-lines': { readonly terminalId: string; readonly text: string; readonly lines: number };
  readonly 'delete-slice': OnSlice;
  readonly 'rename-slice': OnSlice;
  readonly 'roll-back': OnHost & { readonly version: string };
  readonly quota: OnHost & { readonly subject: string | null };
  readonly 'over-quota': { readonly message: string };
  readonly 'remove-agent': OnHost;
}

export type DialogKind = keyof DialogArgs;
export type Dialog = { readonly [K in DialogKind]: { readonly kind: K } & DialogArgs[K] }[DialogKind];
