/** A host as the core keeps it and the window draws it, and the fleet of them. Readonly, null = unknown. */
import type { Failure } from './errors.ts';
import type { Gpu } from './gpu.ts';
import type { Job } from './job.ts';
import type { AuditRecord, Person, Quota } from './people.ts';
import type { Verb } from './rights.ts';
import type { Escapes, Sample } from './sample.ts';
import type { Slice } from './slice.ts';

/** `ssh:<name in the config>`, `typed:<user@host:port>` or `demo:<n>`. Stable over restarts. */
export type HostId = string;
export type SliceId = string;
export type GpuUuid = string;

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

/** A Python environment of the person who is signed in on a host. */
export interface PythonEnvironment {
  kind: 'conda' | 'venv' | 'pyenv';
  /** Its prefix, absolute: `bin/python` is in it. */
  path: string;
}

/** A piece of a job's log. Offsets count every byte ever written. */
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

/** What one host looks like before an agent is there, by the vendor's tool, read-only. */
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
   * SSH is up and no agent runs there; what the vendor's tool said at `asOfMs` is shown read-only, and read again while somebody
   * looks. `note` says why there is nothing to show.
   */
  | {
      readonly kind: 'preview';
      readonly asOfMs: number;
      /** What was read with. */
      readonly tool: string;
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
  /** What is done with processes outside every slice; null: the agent there is older, or has not said yet. */
  readonly escapes: Escapes | null;
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

export interface AuditPage {
  /** Newest first. */
  readonly records: readonly AuditRecord[];
  /** What to ask for next; null when there are no older ones. */
  readonly nextBeforeSeq: number | null;
}
