/** Hosts, GPUs, slices and samples as the core keeps them and the renderer draws them. Readonly, null = unknown. */
import type { Failure } from './errors.ts';
import type { Verb } from './rights.ts';

/** `ssh:<name in the config>`, `typed:<user@host:port>` or `demo:<n>`. Stable over restarts. */
export type HostId = string;
export type SliceId = string;
export type GpuUuid = string;

export type Priority = 'idle' | 'normal' | 'high';

export interface Gpu {
  readonly uuid: GpuUuid;
  /** NVML's index, for display. */
  readonly index: number;
  readonly name: string;
  readonly capacityBytes: number;
  readonly simulated: boolean;
  readonly computeMode: string | null;
  readonly migEnabled: boolean | null;
  /** Whether programs of the managing user run there at the same time, through MPS. */
  readonly concurrent: Concurrent | null;
  /** Why it failed, or does not end yet. */
  readonly concurrentNote: string | null;
  /** The last errors that its driver reported, newest first; null: the agent does not listen for them. */
  readonly faults: readonly GpuFault[] | null;
  /** null: the agent does not list them. */
  readonly migSlices: readonly MigSlice[] | null;
}

/** A part of a GPU that the hardware keeps apart (NVIDIA's MIG). Listed, never cut. */
export interface MigSlice {
  readonly uuid: string;
  /** As the driver says it: `NVIDIA H100 80GB HBM3 MIG 1g.10gb`. */
  readonly name: string;
  readonly capacityBytes: number | null;
}

export const FAULT_KINDS = ['program', 'hardware', 'other'] as const;
/** An error that NVIDIA's driver reported (XID). */
export interface GpuFault {
  readonly xid: number;
  /** Whose fault it mostly is. */
  readonly kind: (typeof FAULT_KINDS)[number];
  /** What it means, in a sentence of the agent's. */
  readonly text: string;
  /** The same again within ten minutes is counted. */
  readonly count: number;
  readonly firstAtMs: number;
  readonly atMs: number;
}

export interface Slice {
  readonly id: SliceId;
  readonly name: string;
  readonly gpuUuid: GpuUuid;
  readonly memoryLimitBytes: number;
  /** A shrink below use that takes effect when use drops. */
  readonly pendingMemoryLimitBytes: number | null;
  readonly computeLimitPercent: number;
  readonly computeGuaranteePercent: number;
  readonly priority: Priority;
  readonly owner: string;
  readonly ownerUid: number;
  readonly createdAtMs: number;
  readonly startsAtMs: number | null;
  readonly expiresAtMs: number | null;
  readonly revision: number;
  /** Why nothing is admitted although it is open by its times: its owner's uid is somebody else's by now. */
  readonly suspendedReason: string | null;
}

export interface Person {
  readonly name: string;
  readonly uid: number;
  /** Where we know the name from: owns a GPU process, owns a slice, or has a login on the host. */
  readonly source: 'process' | 'slice' | 'login';
  /** The subject of the quota that holds for them; null: none does, as far as the agent knows. */
  readonly quota: string | null;
}

/** How much one person may hold on a host; null: as much as there is. */
export interface Quota {
  /** A user, `@group` (each of its members) or `default` (everybody else). */
  readonly subject: string;
  readonly memoryBytesMax: number | null;
  readonly slicesMax: number | null;
}

export interface GpuSample {
  readonly uuid: GpuUuid;
  readonly memoryUsedBytes: number | null;
  readonly utilizationPercent: number | null;
  readonly temperatureC: number | null;
  readonly powerMilliwatts: number | null;
  readonly smClockMhz: number | null;
  /** Why its clocks are lower than they could be. */
  readonly slowedBy: SlowedBy | null;
  readonly eccErrors: number | null;
  /** Held by processes outside every slice, and by the driver. */
  readonly unmanagedBytes: number | null;
}

export const CONCURRENT = ['off', 'starting', 'on', 'stopping', 'failed'] as const;
export type Concurrent = (typeof CONCURRENT)[number];

export const SLOWED_BY = ['nothing', 'power', 'heat'] as const;
export type SlowedBy = (typeof SLOWED_BY)[number];

export const HELD_BY = [
  'nothing',
  'own-limit',
  'higher-priority',
  'guarantee',
  'other-gpu',
  'power',
  'heat',
] as const;
export type HeldBy = (typeof HELD_BY)[number];

export interface SliceSample {
  readonly id: SliceId;
  readonly memoryUsedBytes: number | null;
  readonly ledgerBytes: number | null;
  readonly residueBytes: number | null;
  readonly computeUsedTenths: number | null;
  readonly throttledTenths: number | null;
  /** What makes it slower than it could be: a wait first, then a GPU that runs slower for all. */
  readonly heldBy: HeldBy | null;
  readonly deniedAllocations: number | null;
  readonly deniedBytes: number | null;
  readonly deniedAtMs: number | null;
  readonly limitHeld: boolean | null;
  readonly processCount: number | null;
}

export interface ProcessSample {
  readonly pid: number;
  /** Start time in clock ticks; with the pid it names the process for good. A string: it may exceed 2^53. */
  readonly startTicks: string;
  readonly uid: number | null;
  readonly user: string | null;
  readonly command: string;
  /** The container it runs in (`docker 3f2a91c0b1de`), as its control groups tell; null: none is known. */
  readonly container: string | null;
  /** The batch job or service that it belongs to (`Slurm job 123`, `jupyter.service`); null: none is known. */
  readonly unit: string | null;
  /** null: unmanaged. */
  readonly sliceId: SliceId | null;
  readonly gpuUuid: GpuUuid;
  /** The job to whose process group it belongs. */
  readonly jobId: string | null;
  readonly memoryUsedBytes: number | null;
  readonly computeUsedTenths: number | null;
  readonly throttledTenths: number | null;
  readonly startedAtMs: number | null;
}

export interface Sample {
  readonly seq: number;
  readonly atMs: number;
  readonly gpus: readonly GpuSample[];
  readonly slices: readonly SliceSample[];
  readonly processes: readonly ProcessSample[];
  readonly processesOmitted: number;
}

export const JOB_STATES = [
  'queued',
  'held',
  'running',
  'stopping',
  'ended',
  'cancelled',
  'preempted',
  'failed',
  'lost',
] as const;
export type JobState = (typeof JOB_STATES)[number];
export const JOB_PRIORITIES = ['low', 'normal', 'high'] as const;
export type JobPriority = (typeof JOB_PRIORITIES)[number];

export const JOB_WAITS = [
  'held',
  'slice-gone',
  'not-yours',
  'slice-not-open',
  'slice-over',
  'running',
  'stopping',
  'behind',
  'slice-memory',
  'gpu-memory',
  'memory-unknown',
  'starting',
  'away',
] as const;

/** Why a job waits, with the figures of the sentence. */
export interface JobWait {
  /** null: a reason that a newer agent knows and we do not. */
  readonly code: (typeof JOB_WAITS)[number] | null;
  /** 1: first in line; null: not in the line. */
  readonly position: number | null;
  /** The job that it waits for. */
  readonly jobId: string | null;
  readonly jobName: string | null;
  readonly user: string | null;
  readonly sinceMs: number | null;
  readonly untilMs: number | null;
  readonly needBytes: number | null;
  readonly freeBytes: number | null;
}

/** One command that waits for its turn in a slice, runs there, or did. */
export interface Job {
  readonly id: string;
  readonly name: string;
  readonly sliceId: SliceId;
  readonly command: string;
  readonly uid: number;
  readonly user: string;
  readonly priority: JobPriority;
  /** A higher one of the same owner or of an operator may stop it. */
  readonly preemptible: boolean;
  /** Stopped for a higher one, it goes back in the line, once. */
  readonly requeue: boolean;
  /** Stops lower ones that did not agree to it, too: its owner's, an operator's job anybody's. */
  readonly preempts: boolean;
  readonly minFreeBytes: number | null;
  /** From SIGTERM to SIGKILL. */
  readonly graceMs: number;
  readonly state: JobState;
  readonly submittedAtMs: number;
  readonly startedAtMs: number | null;
  readonly endedAtMs: number | null;
  readonly pid: number | null;
  readonly exitCode: number | null;
  readonly signal: number | null;
  readonly runs: number;
  /** While it is stopping: when SIGKILL comes. */
  readonly killAtMs: number | null;
  /** Who held, cancelled or displaced it. */
  readonly byUser: string | null;
  readonly message: string | null;
  /** null: it is not in the line. */
  readonly waits: JobWait | null;
}

export interface JobList {
  readonly slotsPerSlice: number;
  readonly jobs: readonly Job[];
  readonly jobsOmitted: number;
}

/** A terminal of one's own on a host; its shell runs as long as `endedAtMs` is null. */
export interface TerminalInfo {
  readonly terminalId: string;
  readonly sliceId: SliceId;
  readonly startedAtMs: number;
  readonly endedAtMs: number | null;
  readonly exitCode: number | null;
  readonly signal: number | null;
}

/** A piece of a job's log. Offsets count every byte ever written. */
/** A Python environment of the person who is signed in on a host. */
export interface PythonEnvironment {
  kind: 'conda' | 'venv' | 'pyenv';
  /** Its prefix, absolute: `bin/python` is in it. */
  path: string;
}

export interface JobLogPart {
  readonly data: string;
  readonly offset: number;
  readonly nextOffset: number;
  readonly endOffset: number;
  /** Asked for and no longer kept. */
  readonly skippedBytes: number;
  /** Nothing will follow. */
  readonly over: boolean;
}

export interface AgentInfo {
  readonly version: string;
  readonly protocol: number;
  readonly arch: string;
  readonly hostName: string;
  readonly scope: 'user' | 'system';
  readonly managerUid: number;
  readonly managerName: string;
  readonly yourUid: number;
  readonly yourName: string;
  /** What you may do to everybody's things. */
  readonly verbs: readonly Verb[];
  readonly driver: string | null;
  /** Why there is no GPU to manage, in a sentence; null when there is one. */
  readonly gpuNote: string | null;
  /** The folder of the version before, kept on the host (`0.1.0-x86_64`); null: none is, or it is not yours to turn. */
  readonly previous: string | null;
  readonly simulated: boolean;
  /** The program in full, on this host and for whoever is connected; null: not known, or no plain path. */
  readonly commandPath: string | null;
}

/** What a version of the agent that is kept on a host says of itself. */
export interface VersionFacts {
  readonly version: string;
  readonly protocol: number;
  /** Of the file with the slices. */
  readonly stateFormat: number;
  /** Why there is no way back to it; null when there is one. */
  readonly refusal: string | null;
}

/** What one host looks like before an agent is there: nvidia-smi, read-only. */
export interface PreviewGpu {
  readonly index: number;
  readonly uuid: GpuUuid;
  readonly name: string;
  readonly capacityBytes: number | null;
  readonly memoryUsedBytes: number | null;
  readonly utilizationPercent: number | null;
  readonly temperatureC: number | null;
}

export type DeployStep = 'probe' | 'upload' | 'verify' | 'activate' | 'start' | 'hello';
export interface DeployProgress {
  readonly step: DeployStep;
  readonly state: 'running' | 'done' | 'failed';
  readonly detail: string | null;
}

/** A question the user must answer before a connection can go on. One at a time per host. */
export type Prompt =
  | {
      readonly kind: 'host-key';
      readonly promptId: string;
      readonly hostName: string;
      readonly keyType: string;
      readonly fingerprint: string;
      readonly isJump: boolean;
    }
  | {
      readonly kind: 'password';
      readonly promptId: string;
      readonly user: string;
      readonly hostName: string;
      readonly isJump: boolean;
      /** What the server said before it asked, made plain. */
      readonly banner: string | null;
    }
  | { readonly kind: 'passphrase'; readonly promptId: string; readonly keyFile: string }
  | {
      readonly kind: 'keyboard';
      readonly promptId: string;
      /** The machine that asks, and to which alone the answer goes. */
      readonly hostName: string;
      readonly isJump: boolean;
      readonly name: string;
      readonly instructions: string;
      readonly questions: readonly { readonly text: string; readonly echo: boolean }[];
    };

export type ConnectionState =
  | { readonly kind: 'disconnected' }
  | { readonly kind: 'connecting'; readonly step: string }
  | { readonly kind: 'asking'; readonly prompt: Prompt }
  /**
   * SSH is up and no agent runs there; what nvidia-smi said at `asOfMs` is shown read-only, and read again while somebody
   * looks. `note` says why there is nothing to show.
   */
  | {
      readonly kind: 'preview';
      readonly asOfMs: number;
      readonly gpus: readonly PreviewGpu[];
      readonly driver: string | null;
      readonly note: string | null;
      readonly canDeploy: boolean;
    }
  | { readonly kind: 'deploying'; readonly steps: readonly DeployProgress[] }
  | { readonly kind: 'live'; readonly agent: AgentInfo; readonly upgradeTo: string | null }
  /** Connected, but no sample came for longer than three intervals. */
  | { readonly kind: 'stale'; readonly agent: AgentInfo; readonly lastSampleAtMs: number | null }
  | {
      readonly kind: 'reconnecting';
      readonly attempt: number;
      readonly nextAttemptAtMs: number | null;
      readonly failure: Failure;
    }
  /** Needs a decision that no retry can replace: host key changed or revoked. */
  | {
      readonly kind: 'blocked';
      readonly failure: Failure;
      readonly knownFingerprint: string | null;
      readonly offeredFingerprint: string | null;
      readonly knownHostsFile: string | null;
      readonly knownHostsLine: number | null;
    }
  | { readonly kind: 'failed'; readonly failure: Failure };

/** How a host is reached: by the SSH inside Tranche, or by the system's ssh. `auto` takes the latter where it must. */
export type TransportChoice = 'auto' | 'built-in' | 'system';
export interface Transport {
  readonly choice: TransportChoice;
  /** What the last attempt used; null before the first one. */
  readonly used: 'built-in' | 'system' | null;
  /** Why the system's ssh is used ("… is a certificate"); null otherwise. */
  readonly reason: string | null;
}

export interface HostSnapshot {
  readonly id: HostId;
  readonly name: string;
  readonly source: 'ssh-config' | 'typed' | 'demo';
  /** `user@host:port` as resolved, once known. */
  readonly address: string | null;
  readonly transport: Transport;
  readonly connection: ConnectionState;
  /** As last reported; kept, greyed, while the host is stale or away. */
  readonly gpus: readonly Gpu[];
  readonly slices: readonly Slice[];
  readonly people: readonly Person[];
  readonly quotas: readonly Quota[];
  /** Of a GPU, by which memory limits may add up; null: its operators set no guard. */
  readonly memoryOvercommitMaxPercent: number | null;
  readonly lastSample: Sample | null;
  /** null: the agent there is older and has no queue, or has not said yet. */
  readonly jobs: JobList | null;
}

export interface FleetSnapshot {
  readonly hosts: readonly HostSnapshot[];
  readonly demo: { readonly available: boolean; readonly running: boolean; readonly note: string | null };
  /** Names in the ssh config that could not be used, and why. */
  readonly configNotes: readonly string[];
}

export interface HistoryPoint {
  readonly atMs: number;
  readonly memoryUsedBytes: number | null;
  readonly computeTenths: number | null;
  readonly throttledTenths: number | null;
  readonly memoryLimitBytes: number | null;
  readonly computeLimitPercent: number | null;
}
export interface History {
  readonly tierMs: number;
  readonly points: readonly HistoryPoint[];
}

export interface SliceEdit {
  readonly sliceId: SliceId;
  readonly revision: number;
  readonly undoToken: string;
  readonly undoExpiresAtMs: number;
}

/** A slice as the audit remembers it. */
export interface AuditSlice {
  readonly name: string;
  readonly owner: string;
  /** null: recorded before slices could move. */
  readonly gpuUuid: GpuUuid | null;
  readonly memoryLimitBytes: number;
  readonly computeLimitPercent: number;
  readonly computeGuaranteePercent: number;
  readonly priority: Priority;
  readonly startsAtMs: number | null;
  readonly expiresAtMs: number | null;
}

/** One edit, made or refused. `before` is null for a slice that was made, `after` for one that was deleted. */
export interface AuditRecord {
  readonly seq: number;
  readonly atMs: number;
  readonly action: string;
  /** Why it was not done; null: it was. */
  readonly refusal: string | null;
  readonly sliceId: SliceId | null;
  readonly sliceName: string | null;
  readonly gpuUuid: GpuUuid | null;
  readonly uid: number;
  readonly user: string;
  /** What the client said of itself; nobody checked it. */
  readonly claimedFrom: string | null;
  readonly detail: string | null;
  readonly refusalsOmitted: number;
  readonly before: AuditSlice | null;
  readonly after: AuditSlice | null;
}

/** What a person's slices used and held on one host: GPU time, and parts of a GPU's memory times time. */
export interface PersonHours {
  readonly name: string;
  readonly uid: number;
  readonly usedMs: number;
  readonly heldMs: number;
}

export interface AuditPage {
  /** Newest first. */
  readonly records: readonly AuditRecord[];
  /** What to ask for next; null when there are no older ones. */
  readonly nextBeforeSeq: number | null;
}
