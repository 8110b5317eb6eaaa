/** The core: answers the renderer's requests and pushes events. Knows neither Electron nor a socket. */
import { passedAs, REQUEST_CHANNELS, type PassedChannel } from '../../model/channels.ts';
import { fail, ok, type Result } from '../../model/errors.ts';
import {
  requestSchemas,
  type CoreEvent,
  type RequestArgs,
  type RequestChannel,
  type RequestValues,
} from '../../model/ipc.ts';
import type { Fields } from './agent/client.ts';
import { DemoLab } from './fleet/demo-lab.ts';
import { Fleet } from './fleet/fleet.ts';
import type { HostSession } from './fleet/host-session.ts';
import { HostStore } from './hosts/host-store.ts';
import type { LabLauncher } from './messages.ts';
import { defaultResolveOptions, type ResolveOptions } from './ssh/resolve.ts';

export interface CoreOptions {
  /** Where saved hosts live. */
  readonly dataFolder: string;
  /** build/agent, or the packaged copy of it. */
  readonly artifactsFolder: string;
  readonly appVersion: string;
  readonly launchLab: LabLauncher;
  /** Why there is no demo lab here, or null. */
  readonly labUnavailable: string | null;
  readonly resolve?: Partial<ResolveOptions>;
  readonly emit: (event: CoreEvent) => void;
}

type Handlers = { [C in RequestChannel]: (args: RequestArgs<C>) => Promise<Result<RequestValues[C]>> };

export interface Core {
  /** `channel` and `args` come from outside: both are checked before anything is done. */
  request(channel: string, args: unknown): Promise<Result<unknown>>;
  stop(): Promise<void>;
}

function makeHandlers(fleet: Fleet, lab: DemoLab): Handlers {
  const on = async <T>(
    hostId: string,
    work: (session: HostSession) => Promise<Result<T>> | Result<T>,
  ): Promise<Result<T>> => {
    const session = fleet.get(hostId);
    return session.ok ? work(session.value) : session;
  };
  return {
    ...passedOn(on),
    'fleet:get': async () => ok(await fleet.snapshot()),
    'host:connect': ({ hostId }) => fleet.connect(hostId),
    'host:disconnect': ({ hostId }) => fleet.disconnect(hostId),
    'host:add': ({ address }) => fleet.add(address),
    'host:forget': ({ hostId }) => fleet.forget(hostId),
    'host:transport': ({ hostId, choice }) => fleet.setTransport(hostId, choice),
    'host:retry': ({ hostId }) =>
      on(hostId, (session) => {
        session.retry();
        return ok(null);
      }),
    'host:deploy': ({ hostId }) => on(hostId, ({ deployment }) => deployment.deploy()),
    'host:check-version': ({ hostId, version }) =>
      on(hostId, ({ deployment }) => deployment.checkVersion(version)),
    'host:roll-back': ({ hostId, version }) => on(hostId, ({ deployment }) => deployment.rollBack(version)),
    'host:remove-agent': ({ hostId }) => on(hostId, ({ deployment }) => deployment.remove()),
    'host:link': ({ hostId }) => on(hostId, ({ deployment }) => deployment.linkCommand()),
    'prompt:answer': ({ hostId, promptId, answers }) =>
      on(hostId, ({ link }) => link.answerPrompt(promptId, answers)),
    'demo:start': () => lab.start(),
    'demo:stop': () => lab.stop(),
    'history:get': ({ hostId, ...fields }) =>
      on(hostId, ({ requests }) => requests.fetchHistory(withoutNulls(fields))),
    'audit:get': ({ hostId, ...fields }) =>
      on(hostId, ({ requests }) => requests.fetchAudit(withoutNulls(fields))),
    'hours:get': ({ hostId, days }) => on(hostId, ({ requests }) => requests.fetchHours(days)),
    'job:environments': ({ hostId, cwd }) =>
      on(hostId, ({ requests }) => requests.findEnvironments(withoutNulls({ cwd }))),
    'job:start': ({ hostId, ...fields }) =>
      on(hostId, ({ requests }) => requests.startJob(withoutNulls(fields))),
    'job:act': ({ hostId, jobId, act }) =>
      on(hostId, ({ requests }) =>
        act === 'kill'
          ? requests.command('job-cancel', { jobId, kill: true })
          : requests.command(`job-${act}`, { jobId }),
      ),
    'job:log': ({ hostId, ...fields }) =>
      on(hostId, ({ requests }) => requests.readJobLog(withoutNulls(fields))),
    'terminal:open': ({ hostId, ...fields }) => on(hostId, ({ terminals }) => terminals.open(fields)),
    'terminal:list': ({ hostId }) => on(hostId, ({ terminals }) => terminals.list()),
    'terminal:attach': ({ hostId, ...fields }) =>
      on(hostId, ({ terminals }) => terminals.attach(withoutNulls(fields))),
    'view:visible': ({ visible }) => {
      fleet.setVisible(visible);
      return Promise.resolve(ok(null));
    },
    // Under `serve` there is no menu bar, no tray, and notices are the browser's.
    'menu:state': () => Promise.resolve(ok(null)),
    'notice:show': () => Promise.resolve(ok(null)),
    'tray:show': () => Promise.resolve(ok(null)),
    // What serves a browser is a checkout: git updates it.
    'update:get': () => Promise.resolve(ok({ kind: 'off' as const })),
    'update:act': () => Promise.resolve(fail('update-refused', 'This is not a package that can be updated.')),
  };
}

/** What is no more than an operation of the agent, as model/channels.ts says. */
function passedOn(
  on: (hostId: string, work: (session: HostSession) => Promise<Result<unknown>>) => Promise<Result<unknown>>,
): Pick<Handlers, PassedChannel> {
  const handlers = REQUEST_CHANNELS.flatMap((channel) => {
    const way = passedAs(channel);
    if (way === null) return [];
    const { op, reply, keepsNull } = way;
    const handler = ({ hostId, ...fields }: Fields & { readonly hostId: string }) =>
      on(hostId, ({ requests, terminals }) =>
        reply === 'edit'
          ? requests.edit(op, withoutNulls(fields, keepsNull))
          : reply === 'done'
            ? requests.command(op, fields)
            : terminals.tell(op, fields),
      );
    return [[channel, handler]];
  });
  return Object.fromEntries(handlers) as Pick<Handlers, PassedChannel>;
}

/** The agent reads an absent field as its default; null would be a value. `keep`: fields where null means something. */
function withoutNulls(fields: Fields, keep: readonly string[] = []) {
  return Object.fromEntries(
    Object.entries(fields).filter(([key, value]) => value !== null || keep.includes(key)),
  );
}

export async function createCore(options: CoreOptions): Promise<Core> {
  const lab = new DemoLab(options.launchLab, options.labUnavailable);
  const fleet = new Fleet({
    store: new HostStore(options.dataFolder),
    resolve: { ...defaultResolveOptions(), ...options.resolve },
    appVersion: options.appVersion,
    artifactsFolder: options.artifactsFolder,
    lab,
    emit: options.emit,
  });
  const handlers = makeHandlers(fleet, lab);
  await fleet.start();

  async function dispatch(channel: RequestChannel, args: unknown): Promise<Result<unknown>> {
    const parsed = requestSchemas[channel].safeParse(args);
    if (!parsed.success)
      return fail(
        'bad-arguments',
        'The window asked for something that makes no sense. Nothing was changed.',
        parsed.error.message.slice(0, 1000),
      );
    try {
      return await handlers[channel](parsed.data as never);
    } catch (error) {
      return fail(
        'internal',
        `Something went wrong inside Tranche while doing “${channel}”. The screen shows what the host says.`,
        error instanceof Error ? (error.stack ?? error.message) : String(error),
      );
    }
  }

  return {
    request: (channel, args) =>
      Object.hasOwn(requestSchemas, channel)
        ? dispatch(channel as RequestChannel, args)
        : Promise.resolve(
            fail(
              'bad-arguments',
              'The window asked for something that does not exist. Nothing was changed.',
              channel.slice(0, 100),
            ),
          ),
    stop: async () => {
      fleet.stop();
      await lab.stop();
    },
  };
}
