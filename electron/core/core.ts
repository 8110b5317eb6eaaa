/** The core: answers the renderer's requests and pushes events. Knows neither Electron nor a socket. */
import { fail, type Result } from '../../model/errors.ts';
import {
  requestSchemas,
  type CoreEvent,
  type RequestArgs,
  type RequestChannel,
  type RequestValues,
} from '../../model/ipc.ts';
import { ok } from '../../model/errors.ts';
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
    'slice:create': ({ hostId, ...fields }) =>
      on(hostId, ({ requests }) => requests.edit('slice-create', withoutNulls(fields))),
    'slice:resize': ({ hostId, ...fields }) =>
      on(hostId, ({ requests }) => requests.edit('slice-resize', withoutNulls(fields, ['expiresAtMs']))),
    'slice:assign': ({ hostId, ...fields }) =>
      on(hostId, ({ requests }) => requests.edit('slice-assign', withoutNulls(fields))),
    'slice:move': ({ hostId, ...fields }) =>
      on(hostId, ({ requests }) => requests.edit('slice-move', fields)),
    'slice:rename': ({ hostId, ...fields }) =>
      on(hostId, ({ requests }) => requests.edit('slice-rename', withoutNulls(fields))),
    'slice:delete': ({ hostId, ...fields }) =>
      on(hostId, ({ requests }) => requests.edit('slice-delete', withoutNulls(fields))),
    'slice:undo': ({ hostId, ...fields }) => on(hostId, ({ requests }) => requests.edit('undo', fields)),
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
    'job:priority': ({ hostId, ...fields }) =>
      on(hostId, ({ requests }) => requests.command('job-priority', fields)),
    'job:slots': ({ hostId, ...fields }) =>
      on(hostId, ({ requests }) => requests.command('job-slots', fields)),
    'job:log': ({ hostId, ...fields }) =>
      on(hostId, ({ requests }) => requests.readJobLog(withoutNulls(fields))),
    'terminal:open': ({ hostId, ...fields }) => on(hostId, ({ terminals }) => terminals.open(fields)),
    'terminal:list': ({ hostId }) => on(hostId, ({ terminals }) => terminals.list()),
    'terminal:attach': ({ hostId, ...fields }) =>
      on(hostId, ({ terminals }) => terminals.attach(withoutNulls(fields))),
    'terminal:ack': ({ hostId, ...fields }) =>
      on(hostId, ({ terminals }) => terminals.tell('terminal-ack', fields)),
    'terminal:input': ({ hostId, ...fields }) =>
      on(hostId, ({ terminals }) => terminals.tell('terminal-input', fields)),
    'terminal:resize': ({ hostId, ...fields }) =>
      on(hostId, ({ terminals }) => terminals.tell('terminal-resize', fields)),
    'terminal:close': ({ hostId, ...fields }) =>
      on(hostId, ({ terminals }) => terminals.tell('terminal-close', fields)),
    'process:stop': ({ hostId, ...fields }) =>
      on(hostId, ({ requests }) => requests.command('process-stop', fields)),
    'settings:set': ({ hostId, ...fields }) =>
      on(hostId, ({ requests }) => requests.command('settings-set', fields)),
    'quota:set': ({ hostId, ...fields }) =>
      on(hostId, ({ requests }) => requests.command('quota-set', fields)),
    'gpu:concurrent': ({ hostId, ...fields }) =>
      on(hostId, ({ requests }) => requests.command('gpu-concurrent', fields)),
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
