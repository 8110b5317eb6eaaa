/** Messages between Electron's main process, the core's utility process and the demo lab's. Types only. */
import type { Result } from '../../model/errors.ts';

/** What the lab process tells once it listens. Keys are made for this run and live in memory. */
export interface LabReady {
  readonly hosts: readonly {
    readonly name: string;
    readonly port: number;
    readonly user: string;
    readonly hostKeyBase64: string;
    readonly privateKey: string;
  }[];
}

export interface LabProcess {
  readonly ready: LabReady;
  stop(): void;
  onExit(listener: (why: string) => void): void;
}

/** Starts the lab process: a utility process under Electron, a child of Node under `serve`. Rejects with a sentence. */
export type LabLauncher = () => Promise<LabProcess>;

export interface CoreSetup {
  readonly dataFolder: string;
  readonly artifactsFolder: string;
  readonly appVersion: string;
  /** Why there is no demo lab on this computer, or null. */
  readonly labUnavailable: string | null;
}

export type CoreInbox =
  | { readonly kind: 'setup'; readonly setup: CoreSetup }
  | { readonly kind: 'request'; readonly id: number; readonly channel: string; readonly args: unknown }
  | { readonly kind: 'lab-ready'; readonly ready: LabReady }
  /** The lab did not start, or it ended. */
  | { readonly kind: 'lab-failed'; readonly why: string }
  | { readonly kind: 'stop' };

export type CoreOutbox =
  | { readonly kind: 'started' }
  | { readonly kind: 'failed'; readonly message: string }
  | { readonly kind: 'reply'; readonly id: number; readonly result: Result<unknown> }
  /** A CoreEvent as JSON: a text crosses three processes as it is, where an object is copied field by field each time. */
  | { readonly kind: 'event'; readonly text: string }
  | { readonly kind: 'lab-start' }
  | { readonly kind: 'lab-stop' };
