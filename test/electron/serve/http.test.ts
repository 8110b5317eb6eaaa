import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from 'vitest';
import { isOwnOrigin, pathInside, Sessions } from '../../../electron/serve/http.ts';
import { dataFolder, labUnavailable } from '../../../electron/places.ts';

describe('pathInside', () => {
  it.each([
    ['/', '/app/index.html'],
    ['/assets/a.js', '/app/assets/a.js'],
  ])('%s', (url, path) => {
    expect(pathInside('/app', url)).toBe(path);
  });
  it.each([
    '/../etc/passwd',
    '/%2e%2e/etc/passwd',
    '/..%2fetc/passwd',
    '/a/../../x',
    '/%00',
    '/%E0%A4%A',
    '/..',
  ])('%s stays outside', (url) => {
    expect(pathInside('/app', url)).toBeNull();
  });
});

describe('Sessions', () => {
  it('exchanges a token once, and not after its time', () => {
    const sessions = new Sessions();
    const token = sessions.newToken(0);
    const secret = sessions.exchange(token, 1);
    expect(secret).not.toBeNull();
    expect(sessions.isSecret(secret ?? '')).toBe(true);
    expect(sessions.exchange(token, 2)).toBeNull();
    expect(sessions.exchange(sessions.newToken(0), 11 * 60_000)).toBeNull();
    expect(sessions.isSecret('')).toBe(false);
    expect(sessions.exchange('', 0)).toBeNull();
  });
});

describe('isOwnOrigin', () => {
  const request = (headers: Record<string, string>) => ({ headers }) as unknown as IncomingMessage;
  it.each([
    [{ host: '127.0.0.1:8080' }, true],
    [{ host: 'localhost:8080', origin: 'http://localhost:8080' }, true],
    [{ host: '127.0.0.1:8080', origin: 'http://evil.example' }, false],
    [{ host: '127.0.0.1:8080', origin: 'null' }, false],
    [{ host: 'rebound.example:8080' }, false],
    [{ host: '127.0.0.1:9090' }, false],
    [{}, false],
  ])('%j → %s', (headers, good) => {
    expect(isOwnOrigin(request(headers as Record<string, string>), 8080)).toBe(good);
  });
});

describe('places', () => {
  it('follows each platform’s habit', () => {
    expect(dataFolder({}, '/home/m', 'linux')).toBe('/home/m/.config/Tranche');
    expect(dataFolder({ XDG_CONFIG_HOME: '/c' }, '/home/m', 'linux')).toBe('/c/Tranche');
    expect(dataFolder({}, '/Users/m', 'darwin')).toBe('/Users/m/Library/Application Support/Tranche');
    expect(dataFolder({ TRANCHE_DATA_DIR: '/d' }, '/home/m', 'linux')).toBe('/d');
  });
  it('says why there is no demo lab', () => {
    expect(labUnavailable('linux', 'x64', true)).toBeNull();
    expect(labUnavailable('darwin', 'arm64', true)).toMatch(/needs Linux/);
    expect(labUnavailable('linux', 'arm64', true)).toMatch(/x86_64/);
    expect(labUnavailable('linux', 'x64', false)).toMatch(/build:agent/);
  });
});
