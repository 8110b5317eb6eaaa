/** Two simulated workstations behind real SSH, in a process of their own that takes everything with it when it ends. */
import { fail, ok, type Result } from '../../../model/errors.ts';
import type { FleetSnapshot } from '../../../model/model.ts';
import type { LabLauncher, LabProcess } from '../messages.ts';
import { pinnedTarget, type SshTarget } from '../ssh/target.ts';

export class DemoLab {
  private readonly launch: LabLauncher;
  private readonly unavailable: string | null;
  private readonly listeners: (() => void)[] = [];
  private process: LabProcess | null = null;
  private starting = false;
  private note: string | null;

  /** `unavailable`: why the lab cannot run on this computer, or null. */
  constructor(launch: LabLauncher, unavailable: string | null) {
    this.launch = launch;
    this.unavailable = unavailable;
    this.note = unavailable;
  }

  get status(): FleetSnapshot['demo'] {
    return {
      available: this.unavailable === null,
      running: this.process !== null || this.starting,
      note: this.note,
    };
  }

  get targets(): readonly SshTarget[] {
    return (this.process?.ready.hosts ?? []).map((host) =>
      pinnedTarget({ ...host, hostKey: Buffer.from(host.hostKeyBase64, 'base64') }),
    );
  }

  onChange(listener: () => void): void {
    this.listeners.push(listener);
  }

  async start(): Promise<Result<null>> {
    if (this.unavailable !== null) return fail('demo-unavailable', this.unavailable);
    if (this.process || this.starting) return ok(null);
    this.starting = true;
    this.changed(null);
    try {
      const started = await this.launch();
      this.process = started;
      started.onExit((why) => {
        if (this.process !== started) return;
        this.process = null;
        this.changed(
          `The demo lab ended: ${why}. Its simulated hosts are gone; start it again when you like.`,
        );
      });
    } catch (error) {
      this.starting = false;
      const message = `The demo lab did not start: ${error instanceof Error ? error.message : String(error)}. Nothing of it is left behind.`;
      this.changed(message);
      return fail('demo-unavailable', message);
    }
    this.starting = false;
    this.changed(null);
    return ok(null);
  }

  stop(): Promise<Result<null>> {
    const running = this.process;
    this.process = null;
    running?.stop();
    this.changed(this.unavailable);
    return Promise.resolve(ok(null));
  }

  private changed(note: string | null): void {
    this.note = note;
    for (const listener of this.listeners) listener();
  }
}
