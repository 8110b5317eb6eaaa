import { beforeEach, describe, expect, it, vi } from 'vitest';
import { REQUEST_CHANNELS } from '../../../model/ipc.ts';
import type { PreloadApi } from '../../../model/ipc.ts';

const exposed = vi.hoisted(() => new Map<string, unknown>());
const renderer = vi.hoisted(() => ({
  invoke: vi.fn(async (..._args: unknown[]): Promise<unknown> => Promise.resolve({ ok: true, value: null })),
  on: vi.fn(),
  removeListener: vi.fn(),
}));
vi.mock('electron', () => ({
  contextBridge: { exposeInMainWorld: (name: string, value: unknown) => exposed.set(name, value) },
  ipcRenderer: renderer,
}));

async function load(): Promise<PreloadApi> {
  await import('../../../electron/main/preload.ts');
  return exposed.get('tranche') as PreloadApi;
}

beforeEach(() => {
  renderer.invoke.mockClear();
  renderer.on.mockClear();
});

describe('preload', () => {
  it('exposes one object with these keys', async () => {
    const api = await load();
    expect([...exposed.keys()]).toEqual(['tranche']);
    expect(Object.keys(api).sort()).toEqual([
      'appVersion',
      'copyText',
      'onEventText',
      'platform',
      'request',
      'transport',
    ]);
  });
  it('forwards every channel of the contract', async () => {
    const api = await load();
    for (const channel of REQUEST_CHANNELS) {
      await (api.request as (c: string, a: unknown) => Promise<unknown>)(channel, {});
      expect(renderer.invoke).toHaveBeenLastCalledWith('tranche:request', channel, {});
    }
  });
  it('refuses every other channel before it leaves the page', async () => {
    const api = await load();
    const request = (channel: string): Promise<unknown> => api.request(channel as 'fleet:get', {});
    for (const channel of ['evil', '__proto__', 'constructor', 'toString', 'tranche:copy']) {
      await expect(request(channel)).rejects.toThrow('no such channel');
    }
    expect(renderer.invoke).not.toHaveBeenCalled();
  });
  it('hands on the message and never the event object', async () => {
    const api = await load();
    const heard = vi.fn();
    const stop = api.onEventText(heard);
    const forward = renderer.on.mock.calls[0]?.[1] as (event: unknown, message: unknown) => void;
    forward({ sender: 'secret' }, '{"event":"samples","data":[]}');
    expect(heard).toHaveBeenCalledExactlyOnceWith('{"event":"samples","data":[]}');
    stop();
    expect(renderer.removeListener).toHaveBeenCalledWith('tranche:event', forward);
  });
});
