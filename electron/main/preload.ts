/** All that a page gets of us: fixed names, fixed channels, plain data. Never ipcRenderer, never its event object. */
import { contextBridge, ipcRenderer } from 'electron';
import type { PreloadApi, RequestChannel } from '../../model/ipc.ts';
import { COPY_CHANNEL, EVENT_CHANNEL, REQUEST_CHANNEL } from './bridge.ts';

/** Spelled out, so that no schema library is loaded here; the type makes a missing or extra name an error. */
const CHANNELS: Readonly<Record<RequestChannel, true>> = {
  'fleet:get': true,
  'host:connect': true,
  'host:disconnect': true,
  'host:add': true,
  'host:forget': true,
  'host:retry': true,
  'host:transport': true,
  'host:deploy': true,
  'host:check-version': true,
  'host:roll-back': true,
  'host:remove-agent': true,
  'host:link': true,
  'prompt:answer': true,
  'demo:start': true,
  'demo:stop': true,
  'slice:create': true,
  'slice:resize': true,
  'slice:assign': true,
  'slice:move': true,
  'slice:rename': true,
  'slice:delete': true,
  'slice:undo': true,
  'history:get': true,
  'audit:get': true,
  'hours:get': true,
  'job:environments': true,
  'job:start': true,
  'job:act': true,
  'job:priority': true,
  'job:slots': true,
  'job:log': true,
  'terminal:open': true,
  'terminal:list': true,
  'terminal:attach': true,
  'terminal:ack': true,
  'terminal:input': true,
  'terminal:resize': true,
  'terminal:close': true,
  'process:stop': true,
  'settings:set': true,
  'quota:set': true,
  'gpu:concurrent': true,
  'view:visible': true,
  'menu:state': true,
  'notice:show': true,
  'tray:show': true,
  'update:get': true,
  'update:act': true,
};

const VERSION_FLAG = '--tranche-version=';
const appVersion = process.argv.find((arg) => arg.startsWith(VERSION_FLAG))?.slice(VERSION_FLAG.length) ?? '';

const api: PreloadApi = {
  transport: 'electron',
  platform: process.platform,
  appVersion,
  request: (channel, args) =>
    Object.hasOwn(CHANNELS, channel)
      ? ipcRenderer.invoke(REQUEST_CHANNEL, channel, args)
      : Promise.reject(new Error('no such channel')),
  onEventText(listener) {
    const forward = (_event: unknown, text: string): void => listener(text);
    ipcRenderer.on(EVENT_CHANNEL, forward);
    return () => void ipcRenderer.removeListener(EVENT_CHANNEL, forward);
  },
  copyText: (text) => ipcRenderer.invoke(COPY_CHANNEL, text),
};

contextBridge.exposeInMainWorld('tranche', api);
