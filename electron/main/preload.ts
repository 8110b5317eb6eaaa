/** All that a page gets of us: fixed names, fixed channels, plain data. Never ipcRenderer, never its event object. */
import { contextBridge, ipcRenderer } from 'electron';
import { CHANNELS } from '../../model/channels.ts';
import type { PreloadApi } from '../../model/ipc.ts';
import { COPY_CHANNEL, EVENT_CHANNEL, REQUEST_CHANNEL } from './bridge.ts';

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
