/**
 * Every request of the window, and how it is answered. Most are passed on to the agent of a host as one of its
 * operations: a new one is an entry here and its arguments in ipc.ts. No schema library in here: the preload loads it.
 */

interface Passed {
  readonly op: string;
  /** edit: answered with what undoes it. done: with no more than that. tell: the same, to a terminal. */
  readonly reply: 'edit' | 'done' | 'tell';
  /** Fields in which null means something; of an edit all others that are null are left out: absent is the default. */
  readonly keepsNull?: readonly string[];
}

const edit = <Op extends string>(op: Op, keepsNull: readonly string[] = []) =>
  ({ op, reply: 'edit', keepsNull }) as const;
const done = <Op extends string>(op: Op) => ({ op, reply: 'done' }) as const;
const tell = <Op extends string>(op: Op) => ({ op, reply: 'tell' }) as const;

/** null: answered by the core, or by the window's own process, in its own way. */
export const CHANNELS = {
  'fleet:get': null,
  'host:connect': null,
  'host:disconnect': null,
  'host:add': null,
  'host:forget': null,
  'host:retry': null,
  'host:transport': null,
  'host:deploy': null,
  'host:check-version': null,
  'host:roll-back': null,
  'host:remove-agent': null,
  'host:link': null,
  'prompt:answer': null,
  'demo:start': null,
  'demo:stop': null,
  'slice:create': edit('slice-create'),
  'slice:resize': edit('slice-resize', ['expiresAtMs']),
  'slice:assign': edit('slice-assign'),
  'slice:move': edit('slice-move'),
  'slice:rename': edit('slice-rename'),
  'slice:delete': edit('slice-delete'),
  'slice:undo': edit('undo'),
  'history:get': null,
  'audit:get': null,
  'hours:get': null,
  'job:environments': null,
  'job:start': null,
  'job:act': null,
  'job:priority': done('job-priority'),
  'job:slots': done('job-slots'),
  'job:log': null,
  'terminal:open': null,
  'terminal:list': null,
  'terminal:attach': null,
  'terminal:ack': tell('terminal-ack'),
  'terminal:input': tell('terminal-input'),
  'terminal:resize': tell('terminal-resize'),
  'terminal:close': tell('terminal-close'),
  'process:stop': done('process-stop'),
  'settings:set': done('settings-set'),
  'quota:set': done('quota-set'),
  'gpu:look': done('gpus-look'),
  'gpu:concurrent': done('gpu-concurrent'),
  'view:visible': null,
  'menu:state': null,
  'notice:show': null,
  'tray:show': null,
  'update:get': null,
  'update:act': null,
} as const satisfies Readonly<Record<string, Passed | null>>;

export type RequestChannel = keyof typeof CHANNELS;
type Ways = typeof CHANNELS;
/** Those that are passed on with this kind of reply. */
export type PassedChannel<Reply extends Passed['reply'] = Passed['reply']> = {
  [C in RequestChannel]: Ways[C] extends { readonly reply: Reply } ? C : never;
}[RequestChannel];
export const REQUEST_CHANNELS = Object.keys(CHANNELS) as readonly RequestChannel[];
/** How a channel is passed on; null: it is not. */
export const passedAs = (channel: RequestChannel): Passed | null => CHANNELS[channel];
