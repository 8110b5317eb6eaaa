import { describe, expect, it } from 'vitest';
import { commandPathOf } from '../../../electron/core/agent/command-path.ts';

describe('the program in full', () => {
  it.each([
    [
      '/home/u/.local/share/tranche/0.1.0-x86_64/libtranche.so',
      '/home/u/.local/share/tranche/current/tranche',
    ],
    ['/opt/tranche/current/libtranche.so', '/opt/tranche/current/tranche'],
    ['/x/bin/libtranche.so', '/x/bin/tranche'],
  ])('of %s is %s', (shim, command) => {
    expect(commandPathOf(shim)).toBe(command);
  });
  it.each([
    null,
    '',
    'relative/libtranche.so',
    '/home/u;rm -rf ~/libtranche.so',
    '/home/$(id)/libtranche.so',
    '/home/a b/libtranche.so',
    '/home/u/../root/libtranche.so',
    `/${'a'.repeat(600)}/libtranche.so`,
  ])('is not known where a host says %j', (shim) => {
    expect(commandPathOf(shim)).toBeNull();
  });
});
