/** All hosts: from the ssh config, typed, and the demo lab's. One host failing never delays another. */
import { fail, ok, type Result } from '../../../model/errors.ts';
import type { CoreEvent } from '../../../model/ipc.ts';
import type { FleetSnapshot, HostId, TransportChoice } from '../../../model/model.ts';
import type { HostStore } from '../hosts/host-store.ts';
import { TYPED_MAX } from '../hosts/saved-hosts.ts';
import { parseAddress } from '../ssh/address.ts';
import { listConfigHosts } from '../ssh/config-hosts.ts';
import { ConfigWatch } from '../ssh/config-watch.ts';
import { JumpPool } from '../ssh/jump-pool.ts';
import { sshPlaces } from '../ssh/paths.ts';
import { resolveName, resolveTarget, thisMachine, type ResolveOptions } from '../ssh/resolve.ts';
import { SignIns } from '../ssh/sign-ins.ts';
import type { SshTarget } from '../ssh/target.ts';
import type { DemoLab } from './demo-lab.ts';
import { Gate } from './gate.ts';
import { HostSession } from './host-session.ts';
import { NetworkWatch } from './network-watch.ts';
import { PromptQueue } from './prompter.ts';
import { SampleBatcher } from './sample-batcher.ts';

/** Handshakes at a time: each costs CPU for key exchange, and many servers throttle bursts. */
const HANDSHAKES_MAX = 3;

export interface FleetOptions {
  readonly store: HostStore;
  readonly resolve: ResolveOptions;
  readonly appVersion: string;
  readonly artifactsFolder: string;
  readonly lab: DemoLab;
  readonly emit: (event: CoreEvent) => void;
}

const configId = (name: string): HostId => `ssh:${name}`;
const typedId = (address: string): HostId => `typed:${address}`;

export class Fleet {
  private readonly options: FleetOptions;
  private readonly sessions = new Map<HostId, HostSession>();
  private readonly gate = new Gate(HANDSHAKES_MAX);
  private readonly prompts = new PromptQueue();
  private readonly jumps = new JumpPool();
  private readonly signIns = new SignIns();
  private readonly network = new NetworkWatch(() => {
    for (const session of this.sessions.values()) session.link.networkChanged();
  });
  private readonly batcher: SampleBatcher;
  private configNotes: readonly string[] = [];
  /** Of this start, and true until the next one: reading the config again does not take them away. */
  private startNotes: readonly string[] = [];
  private configNames: ReadonlySet<string> = new Set();
  private readonly configWatch = new ConfigWatch(() => void this.configChanged());
  private stopped = false;
  private visible = true;

  constructor(options: FleetOptions) {
    this.options = options;
    this.batcher = new SampleBatcher((batch) => {
      options.emit({ event: 'samples', data: batch });
    });
    options.lab.onChange(() => {
      this.syncLab();
    });
  }

  /** Reads config and saved hosts, and reconnects those that were open. */
  async start(): Promise<void> {
    const note = await this.options.store.load();
    this.startNotes = note === null ? [] : [note];
    await this.refreshConfig();
    const { typed, open } = this.options.store.hosts;
    for (const address of typed) this.ensure(typedId(address), address, 'typed', address);
    for (const id of open) this.sessions.get(id)?.link.connect(true);
  }

  async snapshot(): Promise<FleetSnapshot> {
    await this.refreshConfig();
    return {
      hosts: [...this.sessions.values()].map((session) => session.current),
      demo: this.options.lab.status,
      configNotes: this.configNotes,
    };
  }

  get(hostId: HostId): Result<HostSession> {
    const session = this.sessions.get(hostId);
    return session
      ? ok(session)
      : fail('unknown-host', 'That host is no longer in the list. Nothing was changed.');
  }

  async connect(hostId: HostId): Promise<Result<null>> {
    const session = this.get(hostId);
    if (!session.ok) return session;
    session.value.link.connect();
    return this.saveOpen();
  }

  async disconnect(hostId: HostId): Promise<Result<null>> {
    const session = this.get(hostId);
    if (!session.ok) return session;
    session.value.link.disconnect();
    return this.saveOpen();
  }

  async add(text: string): Promise<Result<{ hostId: HostId }>> {
    const address = parseAddress(text);
    if (!address.ok) return address;
    const typed = text.trim();
    const { typed: before } = this.options.store.hosts;
    if (before.length >= TYPED_MAX && !before.includes(typed))
      return fail(
        'bad-host-name',
        `${String(TYPED_MAX)} hosts have been added here, and no more are kept. Nothing was saved; remove one, or name it in your ssh config.`,
      );
    const fromConfig = configId(typed);
    const isConfig = (await this.listConfig()).names.includes(typed);
    const id = isConfig ? fromConfig : typedId(typed);
    this.ensure(id, typed, isConfig ? 'ssh-config' : 'typed', typed);
    const saved = await this.save((hosts) => ({
      ...hosts,
      typed: isConfig || hosts.typed.includes(typed) ? hosts.typed : [...hosts.typed, typed],
      hidden: hosts.hidden.filter((name) => name !== typed),
    }));
    this.announce();
    const connected = await this.connect(id);
    if (!connected.ok) return connected;
    return saved.ok ? ok({ hostId: id }) : saved;
  }

  async forget(hostId: HostId): Promise<Result<null>> {
    const session = this.get(hostId);
    if (!session.ok) return session;
    if (session.value.current.source === 'demo') return this.options.lab.stop();
    const { name, source } = session.value.current;
    this.drop(hostId);
    return this.save((hosts) => ({
      ...hosts,
      typed: hosts.typed.filter((one) => one !== name),
      hidden:
        source === 'ssh-config' && !hosts.hidden.includes(name) ? [...hosts.hidden, name] : hosts.hidden,
      open: hosts.open.filter((one) => one !== hostId),
    }));
  }

  async setTransport(hostId: HostId, choice: TransportChoice): Promise<Result<null>> {
    const session = this.get(hostId);
    if (!session.ok) return session;
    session.value.setTransport(choice);
    return this.save((hosts) => {
      const { [hostId]: _before, ...others } = hosts.transports;
      return { ...hosts, transports: choice === 'auto' ? others : { ...others, [hostId]: choice } };
    });
  }

  setVisible(visible: boolean): void {
    this.visible = visible;
    for (const session of this.sessions.values()) session.setVisible(visible);
  }

  stop(): void {
    this.stopped = true;
    this.configWatch.close();
    this.network.set(false);
    for (const session of this.sessions.values()) session.link.disconnect();
  }

  private listConfig(): ReturnType<typeof listConfigHosts> {
    const { configFile, home } = this.options.resolve;
    return listConfigHosts(configFile, home, sshPlaces(thisMachine(home)).systemConfigFile);
  }

  private async refreshConfig(): Promise<void> {
    const { names, notes, files } = await this.listConfig();
    this.configNotes = [...this.startNotes, ...notes];
    this.configNames = new Set(names);
    if (!this.stopped) this.configWatch.set(files);
    const { hidden } = this.options.store.hosts;
    for (const name of names)
      if (!hidden.includes(name)) this.ensure(configId(name), name, 'ssh-config', name);
  }

  /** Hosts that were added appear; one that is gone stays for as long as it is connected. */
  private async configChanged(): Promise<void> {
    const before = new Set(this.sessions.keys());
    await this.refreshConfig();
    if (this.stopped) return;
    for (const [id, session] of this.sessions) {
      const { source, name } = session.current;
      session.link.configChanged();
      if (!before.has(id)) this.options.emit({ event: 'host:changed', data: session.current });
      else if (source === 'ssh-config' && !this.configNames.has(name) && !session.link.isWanted)
        this.drop(id);
    }
    this.announce();
  }

  private ensure(id: HostId, name: string, source: 'ssh-config' | 'typed', address: string): void {
    if (this.sessions.has(id)) return;
    const resolve = source === 'ssh-config' ? resolveName : resolveTarget;
    this.addSession(id, name, source, () => resolve(address, this.options.resolve));
  }

  private addSession(
    id: HostId,
    name: string,
    source: 'ssh-config' | 'typed' | 'demo',
    resolve: () => Promise<Result<SshTarget>>,
  ): HostSession {
    const session = new HostSession({
      id,
      name,
      source,
      resolve,
      appVersion: this.options.appVersion,
      artifactsFolder: this.options.artifactsFolder,
      autoDeploy: source === 'demo',
      gate: this.gate,
      prompts: this.prompts,
      jumps: this.jumps,
      signIns: this.signIns,
      onChange: (snapshot) => {
        if (this.sessions.get(id)?.current === snapshot)
          this.options.emit({ event: 'host:changed', data: snapshot });
        this.network.set([...this.sessions.values()].some((one) => one.link.isReconnecting));
      },
      onSample: (hostId, sample) => {
        this.batcher.add(hostId, sample);
      },
      onNotice: (hostId, { atMs, code, sliceId, gpuUuid, message }) => {
        this.options.emit({ event: 'notice', data: { hostId, atMs, code, sliceId, gpuUuid, message } });
      },
      onAudit: (hostId, { record }) => {
        this.options.emit({ event: 'audit', data: { hostId, record } });
      },
      emit: this.options.emit,
    });
    session.setVisible(this.visible);
    session.setTransport(this.options.store.hosts.transports[id] ?? 'auto');
    this.sessions.set(id, session);
    return session;
  }

  private drop(id: HostId): void {
    const session = this.sessions.get(id);
    if (!session) return;
    this.sessions.delete(id);
    session.link.disconnect();
    this.options.emit({ event: 'host:gone', data: { hostId: id } });
    this.announce();
  }

  private announce(): void {
    this.options.emit({
      event: 'fleet:changed',
      data: {
        demo: this.options.lab.status,
        configNotes: this.configNotes,
        order: [...this.sessions.keys()],
      },
    });
  }

  /** The lab came up or went away: its hosts appear connected, or disappear. */
  private syncLab(): void {
    const targets = this.options.lab.targets;
    for (const [id, session] of this.sessions)
      if (session.current.source === 'demo' && !targets.some((target) => `demo:${target.name}` === id))
        this.drop(id);
    for (const target of targets) {
      const id = `demo:${target.name}`;
      if (this.sessions.has(id)) continue;
      const session = this.addSession(id, target.name, 'demo', () => Promise.resolve(ok(target)));
      this.options.emit({ event: 'host:changed', data: session.current });
      session.link.connect(true);
    }
    this.announce();
  }

  private saveOpen(): Promise<Result<null>> {
    const own = [...this.sessions.values()].filter(({ current }) => current.source !== 'demo');
    const wanted = own.filter(({ link }) => link.isWanted).map(({ current }) => current.id);
    // Hosts that are not in this list are another program's, or of a config that does not parse just now.
    const ids = new Set(own.map(({ current }) => current.id));
    return this.save((hosts) => ({
      ...hosts,
      open: [...hosts.open.filter((id) => !ids.has(id)), ...wanted],
    }));
  }

  private async save(change: Parameters<HostStore['update']>[0]): Promise<Result<null>> {
    try {
      await this.options.store.update(change);
      return ok(null);
    } catch (error) {
      return fail(
        'disk-full',
        'The list of hosts could not be saved on this computer; it stays as shown until the app closes.',
        String(error),
      );
    }
  }
}
