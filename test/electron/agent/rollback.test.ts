import { describe, expect, it } from 'vitest';
import { compareVersions, previousVersion, rollbackRefusal } from '../../../electron/core/agent/rollback.ts';
import { turnScript, versionsScript } from '../../../electron/core/agent/scripts.ts';

const running = { version: '0.11.0', arch: 'x86_64' };

describe('previousVersion', () => {
  it.each([
    [
      'the newest before the one that runs',
      ['0.1.0-x86_64', '0.9.2-x86_64', '0.11.0-x86_64'],
      '0.9.2-x86_64',
    ],
    ['numbers and not text', ['0.9.0-x86_64', '0.10.0-x86_64'], '0.10.0-x86_64'],
    ['none that is newer', ['0.11.1-x86_64', '1.0.0-x86_64'], null],
    ['a pre-release before its release', ['0.11.0-rc.1-x86_64'], '0.11.0-rc.1-x86_64'],
    ['none of another machine', ['0.9.0-aarch64'], null],
    [
      'nothing that a deployment did not make',
      ['../0.9.0-x86_64', '0.9-x86_64', '0.9.0-x86_64;id', 'current', ''],
      null,
    ],
  ])('is %s', (_name, folders, wanted) => {
    expect(
      previousVersion(
        folders.map((name) => `installed ${name}`),
        running,
      ),
    ).toBe(wanted);
  });
  it('reads only what names versions', () => {
    expect(previousVersion(['system Linux x86_64', '0.9.0-x86_64'], running)).toBeNull();
  });
});

describe('compareVersions', () => {
  it('orders', () => {
    expect(['1.0.0', '0.10.0', '0.9.9', '0.10.0-rc.1'].sort(compareVersions)).toEqual([
      '0.9.9',
      '0.10.0-rc.1',
      '0.10.0',
      '1.0.0',
    ]);
  });
});

describe('rollbackRefusal', () => {
  const now = { version: '0.2.0', protocol: 1, regionAbi: 3, stateFormat: 2 };
  it.each([
    [{ protocol: 7 }, /speaks protocol 7 and this app 1/],
    [{ regionAbi: 2 }, /layout 2, and those that run use 3/],
    [{ stateFormat: 1 }, /format 1, and they were written in 2/],
  ])('%j', (differs, sentence) => {
    expect(rollbackRefusal({ ...now, ...differs }, now)).toMatch(sentence);
  });
  it('is none for what fits', () => expect(rollbackRefusal(now, now)).toBeNull());
});

describe('the scripts', () => {
  it.each([versionsScript, turnScript])('take a plain name and nothing else', (script) => {
    expect(() => script('n', "0.1.0-x86_64'; id; '")).toThrow(/not a plain value/);
    expect(() => script('n', '../0.1.0-x86_64')).toThrow(/not a plain value/);
  });
});
