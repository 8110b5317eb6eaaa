/** The core in its utility process: started, asked, restarted a few times when it dies, and said so when it stays dead. */
import { utilityProcess } from 'electron';
import type { UtilityProcess } from 'electron';
import type { Result } from '../../model/errors.ts';
import { fail } from '../../model/errors.ts';
import type { CoreInbox, CoreOutbox, CoreSetup } from '../core/messages.ts';
import type { ParsedRequest } from './parse-request.ts';
import { PendingRequests } from './pending-requests.ts';
import { RestartBudget } from './restart-budget.ts';

/** The core ends its connections politely; whoever closes the app does not wait longer than this. */
const STOP_TIMEOUT_MS = 2000;
const RESTART_DELAY_MS = 500;

export interface CorePaths {
  readonly core: string;
  readonly lab: string;
  readonly simulator: string;
}
export interface CoreListener {
  /** A CoreEvent as JSON, for pages alone: nothing here reads it. */
  onEvent(text: string): void;
  /** The core came back with an empty memory: pages must ask for everything again. */
  onRestarted(): void;
  onGivenUp(why: string): void;
}

export class CoreProcess {
  readonly #paths: CorePaths;
  readonly #setup: CoreSetup;
  readonly #listener: CoreListener;
  readonly #pending = new PendingRequests();
  readonly #budget = new RestartBudget();
  #child: UtilityProcess | null = null;
  #lab: UtilityProcess | null = null;
  #stopping = false;
  /** Why requests cannot be answered; null while they can. */
  #failure: string | null = null;

  constructor(paths: CorePaths, setup: CoreSetup, listener: CoreListener) {
    this.#paths = paths;
    this.#setup = setup;
    this.#listener = listener;
  }

  start(): void {
    const child = utilityProcess.fork(this.#paths.core, [], { serviceName: 'Tranche core' });
    this.#child = child;
    child.on('message', (message: CoreOutbox) => this.#onMessage(message));
    child.on('exit', (code) => this.#onExit(child, code));
    this.#send({ kind: 'setup', setup: this.#setup });
  }

  request({ channel, args }: ParsedRequest): Promise<Result<unknown>> {
    if (this.#failure !== null) return Promise.resolve(fail('internal', this.#failure));
    const { id, answered } = this.#pending.open(channel);
    this.#send({ kind: 'request', id, channel, args });
    return answered;
  }

  /** Resolves when the core is gone, or after a bounded wait. */
  stop(): Promise<void> {
    this.#stopping = true;
    this.#lab?.kill();
    const child = this.#child;
    if (child === null) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        child.kill();
        resolve();
      }, STOP_TIMEOUT_MS);
      child.once('exit', () => {
        clearTimeout(timer);
        resolve();
      });
      this.#send({ kind: 'stop' });
    });
  }

  #send(message: CoreInbox): void {
    this.#child?.postMessage(message);
  }

  #onMessage(message: CoreOutbox): void {
    switch (message.kind) {
      case 'started':
        break;
      case 'failed':
        this.#failure = `Tranche could not start its connection part: ${message.message}`;
        this.#pending.failAll(this.#failure);
        this.#listener.onGivenUp(this.#failure);
        break;
      case 'reply':
        this.#pending.settle(message.id, message.result);
        break;
      case 'event':
        this.#listener.onEvent(message.text);
        break;
      case 'lab-start':
        this.#startLab();
        break;
      case 'lab-stop':
        this.#lab?.kill();
        this.#lab = null;
        break;
    }
  }

  #onExit(child: UtilityProcess, code: number): void {
    if (this.#child === child) this.#child = null;
    if (this.#stopping) return;
    console.error(`The core ended with code ${String(code)}`);
    this.#lab?.kill();
    this.#lab = null;
    this.#pending.failAll(
      'The part of Tranche that talks to hosts stopped before it answered. Programs on hosts go on.',
    );
    if (this.#failure !== null) return;
    if (!this.#budget.take(Date.now())) {
      this.#failure = 'The part of Tranche that talks to hosts keeps stopping. Quit and start Tranche again.';
      this.#listener.onGivenUp(this.#failure);
      return;
    }
    setTimeout(() => {
      if (this.#stopping) return;
      this.start();
      this.#listener.onRestarted();
    }, RESTART_DELAY_MS);
  }

  /** A utility process can only be started from here; it belongs to the core all the same. */
  #startLab(): void {
    this.#lab?.kill();
    const lab = utilityProcess.fork(this.#paths.lab, [], {
      serviceName: 'Tranche demo lab',
      env: { ...process.env, TRANCHE_LAB_SIM: this.#paths.simulator },
    });
    this.#lab = lab;
    lab.on('message', (message: unknown) => {
      const told = message as { ready?: never; failed?: string; note?: string };
      if (told.note !== undefined) console.error(told.note);
      if (told.failed !== undefined) this.#send({ kind: 'lab-failed', why: told.failed });
      else if (told.ready !== undefined) this.#send({ kind: 'lab-ready', ready: told.ready });
    });
    lab.on('exit', (code) => {
      if (this.#lab !== lab) return;
      this.#lab = null;
      this.#send({ kind: 'lab-failed', why: `its process ended (${String(code)})` });
    });
  }
}
