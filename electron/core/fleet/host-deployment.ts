/** The agent's files on one host: installed, upgraded, taken back to the version before, removed; and the look without. */
import { fail, ok, type Result } from '../../../model/errors.ts';
import type { DeployProgress, VersionFacts } from '../../../model/model.ts';
import { checkSystem, deploy, DEPLOY_STEPS, linkCommand, removeAgent } from '../agent/deploy.ts';
import { parsePreview, PREVIEW_TOOL } from '../agent/nvidia-preview.ts';
import { checkVersion, downgradeRefusal, turnLink } from '../agent/rollback.ts';
import { runScript } from '../agent/run-script.ts';
import { previewScript } from '../agent/scripts.ts';
import { plainText } from '../ssh/plain-text.ts';
import type { SshConnection } from '../ssh/shell.ts';
import type { HostChannel } from './host-channel.ts';
import type { HostLink } from './host-link.ts';
import type { HostPicture } from './host-picture.ts';
import type { HostTerminals } from './host-terminals.ts';

const PREVIEW_TIMEOUT_MS = 15_000;
/** While somebody looks: nvidia-smi wakes a GPU that sleeps, and takes a second or two for it. */
const LOOK_AGAIN_MS = 10_000;

export interface HostDeploymentOptions {
  readonly name: string;
  readonly appVersion: string;
  readonly artifactsFolder: string;
  /** The demo lab's hosts: installed without being asked. */
  readonly autoDeploy: boolean;
}

/** What it works on. */
export interface DeployedHost {
  readonly picture: HostPicture;
  readonly link: HostLink;
  readonly channel: HostChannel;
  readonly terminals: HostTerminals;
}

export class HostDeployment {
  private readonly options: HostDeploymentOptions;
  private readonly host: DeployedHost;
  /** Of a host without an agent. One that runs says its own. */
  private arch: 'x86_64' | 'aarch64' | null = null;
  private visible = true;
  private lookTimer: NodeJS.Timeout | null = null;
  /** A look that is under way; what changes the host's files comes after it. Never rejects. */
  private looking: Promise<void> = Promise.resolve();

  constructor(options: HostDeploymentOptions, host: DeployedHost) {
    this.options = options;
    this.host = host;
  }

  /** With no agent there: the read-only view, or the installation for the demo lab. */
  async missing(connection: SshConnection, lines: readonly string[]): Promise<Result<null>> {
    const system = checkSystem(lines, this.options.name);
    if (system.ok) this.arch = system.value.arch;
    if (system.ok && this.options.autoDeploy) return this.deploy();
    const unsafe = lines.find((line) => line.startsWith('unsafe '))?.slice('unsafe '.length);
    const note =
      unsafe === undefined
        ? null
        : `The agent in ${plainText(unsafe).slice(0, 200)} is not used: others can change that folder, and what it runs would be theirs. Installing puts it into a place of your own.`;
    await this.showPreview(connection, system.ok, system.ok ? note : system.error.message);
    return ok(null);
  }

  /** Whether somebody looks at the window. */
  setVisible(visible: boolean): void {
    this.visible = visible;
    if (visible) this.lookSoon();
    else this.stopLooking();
  }

  /** The user wants to see it as it is now: another agent may be there by now, and nvidia-smi may work again. */
  lookAgain(): void {
    this.stopLooking();
    this.looking = this.looking.then(() => this.look());
  }

  private async look(): Promise<void> {
    const { picture, link, channel } = this.host;
    const { connection } = link;
    const before = picture.connection;
    if (!connection || before.kind !== 'preview') return;
    const attached = await channel.attach(connection);
    if (attached.ok || link.connection !== connection || picture.connection.kind !== 'preview') return;
    // What was seen before stays on screen, with the time at which it was seen.
    picture.setConnection({ ...before, note: attached.error.message });
    this.lookSoon();
  }

  private lookSoon(): void {
    this.stopLooking();
    if (!this.visible || this.host.picture.connection.kind !== 'preview') return;
    this.lookTimer = setTimeout(() => {
      this.lookAgain();
    }, LOOK_AGAIN_MS);
    this.lookTimer.unref();
  }

  private stopLooking(): void {
    if (this.lookTimer) clearTimeout(this.lookTimer);
    this.lookTimer = null;
  }

  async deploy(): Promise<Result<null>> {
    const { picture, link, channel } = this.host;
    const { connection } = link;
    if (!connection) return channel.notLive();
    if (picture.connection.kind === 'deploying')
      return fail('busy', `The agent is being installed on ${this.options.name} already.`);
    this.stopLooking();
    await this.looking;
    if (link.connection !== connection) return channel.notLive();
    const arch = this.arch ?? (channel.agent?.arch === 'aarch64' ? 'aarch64' : 'x86_64');
    const report = this.reporter([]);
    const before = picture.connection;
    const { appVersion: version, artifactsFolder } = this.options;
    report({ step: 'probe', state: 'running', detail: null });
    const result = await this.besideAgent(connection, async () => {
      const refusal = await downgradeRefusal(connection, version);
      if (!refusal.ok) return refusal;
      if (refusal.value !== null) return fail('agent-version-mismatch', refusal.value);
      return deploy(connection, { version, arch, artifactsFolder, report });
    });
    if (!result.ok) {
      if (link.connection === connection)
        picture.setConnection(
          before.kind === 'live' || before.kind === 'stale'
            ? before
            : { kind: 'failed', failure: result.error },
        );
      return result;
    }
    // An upgrade: the old agent leaves, tenants keep their limits, the new one adopts their files.
    const attached = await this.restart(connection, 'upgrade', report);
    if (!attached.ok && link.connection === connection)
      picture.setConnection({ kind: 'failed', failure: attached.error });
    return attached;
  }

  async checkVersion(folder: string): Promise<Result<VersionFacts>> {
    return this.overLink((connection) => checkVersion(connection, folder));
  }

  async linkCommand(): Promise<Result<{ path: string; worksInShell: boolean }>> {
    return this.overLink(linkCommand);
  }

  /** Tenants keep their limits meanwhile, as in an upgrade. A version that does not start is left again. */
  async rollBack(folder: string): Promise<Result<null>> {
    const { picture, link, channel } = this.host;
    const { connection } = link;
    const { agent } = channel;
    if (!connection || agent === null) return channel.notLive();
    if (agent.managerUid !== agent.yourUid) {
      return fail(
        'not-permitted',
        `${agent.managerName} manages ${this.options.name}, and only they can change its agent. Nothing was changed.`,
      );
    }
    const facts = await this.checkVersion(folder);
    if (!facts.ok) return facts;
    if (facts.value.refusal !== null) {
      return fail('agent-version-mismatch', `${facts.value.refusal} Nothing was changed.`);
    }
    const before = await this.besideAgent(connection, () => turnLink(connection, folder));
    if (!before.ok) return before;
    const startAs = (version: string): Promise<Result<null>> =>
      this.restart(connection, 'rollback', this.reporter([activated(version)]));
    const started = await startAs(folder);
    if (started.ok || link.connection !== connection) return started;
    const turned = await turnLink(connection, before.value);
    const again = turned.ok ? await startAs(before.value) : turned;
    if (!again.ok && link.connection === connection)
      picture.setConnection({ kind: 'failed', failure: again.error });
    return again.ok
      ? fail(
          'agent-start-failed',
          `Agent ${folder} did not start on ${this.options.name}, so ${before.value} runs there again. Programs were not affected.`,
          started.error.message,
        )
      : again;
  }

  async remove(): Promise<Result<{ removed: readonly string[] }>> {
    const { picture, link, channel, terminals } = this.host;
    const { connection } = link;
    if (!connection) return channel.notLive();
    this.stopLooking();
    await this.looking;
    await terminals.closeAll();
    // Somebody else's agent goes on for them; only our own files go.
    if (channel.agent?.managerUid === channel.agent?.yourUid) {
      const left = await channel.retire('removed');
      if (!left.ok) return left;
    }
    channel.detach();
    const result = await removeAgent(connection);
    if (!result.ok) return result;
    picture.forgetAgent();
    await this.showPreview(connection, true);
    const kept = result.value.kept.map((path) => `${path} (kept: a running program uses it)`);
    return ok({ removed: [...result.value.removed, ...kept] });
  }

  /** Ends our agent and attaches to the one that the link names then, with its steps on screen. */
  private async restart(
    connection: SshConnection,
    reason: string,
    report: (progress: DeployProgress) => void,
  ): Promise<Result<null>> {
    const { channel } = this.host;
    report({ step: 'start', state: 'running', detail: null });
    await channel.retire(reason);
    channel.detach();
    return channel.attach(connection, report);
  }

  /** Shows each step once, as it was reported last, in the order in which they come. */
  private reporter(done: readonly DeployProgress[]): (progress: DeployProgress) => void {
    const steps = new Map(done.map((progress) => [progress.step, progress]));
    return (progress) => {
      steps.set(progress.step, progress);
      const shown = DEPLOY_STEPS.flatMap((step) => steps.get(step) ?? []);
      this.host.picture.setConnection({ kind: 'deploying', steps: shown });
    };
  }

  private async overLink<T>(work: (connection: SshConnection) => Promise<Result<T>>): Promise<Result<T>> {
    const { connection } = this.host.link;
    return connection ? this.besideAgent(connection, () => work(connection)) : this.host.channel.notLive();
  }

  /** Where MaxSessions is 1 the agent's own channel is in the way: it makes room and comes back. */
  private async besideAgent<T>(
    connection: SshConnection,
    work: () => Promise<Result<T>>,
  ): Promise<Result<T>> {
    const { channel } = this.host;
    const first = await work();
    if (first.ok || first.error.code !== 'channel-refused' || !channel.isOpen) return first;
    channel.detach();
    const second = await work();
    const back = await channel.attach(connection);
    return back.ok ? second : back;
  }

  private async showPreview(
    connection: SshConnection,
    canDeploy: boolean,
    systemNote: string | null = null,
  ): Promise<void> {
    const { picture, link } = this.host;
    const result = await runScript(connection, previewScript, PREVIEW_TIMEOUT_MS);
    if (link.connection !== connection) return;
    const preview = result.ok
      ? parsePreview(result.value.lines)
      : { tool: PREVIEW_TOOL, gpus: [], driver: null, note: result.error.message };
    link.found();
    const note = systemNote ?? preview.note;
    picture.setConnection({ kind: 'preview', ...preview, note, canDeploy, asOfMs: Date.now() });
    this.lookSoon();
  }
}

const activated = (folder: string): DeployProgress => ({ step: 'activate', state: 'done', detail: folder });
