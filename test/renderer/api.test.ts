import { afterEach, describe, expect, it, vi } from 'vitest';
import { fail } from '../../model/errors.ts';
import type { CoreEvent, PreloadApi } from '../../model/ipc.ts';
import { openApi } from '../../renderer/api.ts';

const global = globalThis as unknown as { window?: { tranche: PreloadApi } };
afterEach(() => {
  delete global.window;
});

function withPreload() {
  let say: (text: string) => void = () => undefined;
  const asked: unknown[] = [];
  let subscribed = 0;
  const preload: PreloadApi = {
    transport: 'electron',
    platform: 'linux',
    appVersion: '1',
    request: (channel, args) => {
      asked.push([channel, args]);
      return Promise.resolve(fail('cancelled', 'no'));
    },
    copyText: () => Promise.resolve(true),
    onEventText: (listener) => {
      subscribed += 1;
      say = listener;
      return () => undefined;
    },
  };
  global.window = { tranche: preload };
  return {
    api: openApi(() => undefined),
    asked,
    subscribed: () => subscribed,
    say: (text: string) => say(text),
  };
}

describe('events over the preload', () => {
  it('are parsed once, whoever listens, and told in order', () => {
    const { api, say, subscribed } = withPreload();
    const heard: [string, CoreEvent][] = [];
    api.onEvent((event) => heard.push(['first', event]));
    const stop = api.onEvent((event) => heard.push(['second', event]));
    const parse = vi.spyOn(JSON, 'parse');
    say('{"event":"navigate","data":{"link":"tranche://x"}}');
    expect(parse).toHaveBeenCalledOnce();
    parse.mockRestore();
    expect(subscribed()).toBe(1);
    expect(heard.map(([who]) => who)).toEqual(['first', 'second']);
    expect(heard[0]?.[1]).toEqual({ event: 'navigate', data: { link: 'tranche://x' } });
    stop();
    say('{"event":"command","data":{"id":"help.keys"}}');
    expect(heard.map(([who]) => who)).toEqual(['first', 'second', 'first']);
  });
  it('leave the rest of the contract as the preload gives it', async () => {
    const { api, asked } = withPreload();
    expect(api).toMatchObject({ transport: 'electron', platform: 'linux', appVersion: '1' });
    expect(await api.request('fleet:get', {})).toMatchObject({ ok: false });
    expect(asked).toEqual([['fleet:get', {}]]);
    expect(await api.copyText('x')).toBe(true);
  });
});
