import { describe, expect, it } from 'vitest';
import { bundleFile } from '../../../electron/main/bundle-path.ts';
import { CONTENT_SECURITY_POLICY } from '../../../electron/main/csp.ts';

const folder = '/opt/tranche/dist/renderer';
const path = (address: string): string | null => bundleFile(address, folder)?.path ?? null;

describe('bundleFile', () => {
  it('serves what is in the bundle, with its type', () => {
    expect(bundleFile('app://bundle/', folder)).toEqual({
      path: `${folder}/index.html`,
      mime: 'text/html; charset=utf-8',
    });
    expect(path('app://bundle/assets/index-1.js?x#y')).toBe(`${folder}/assets/index-1.js`);
  });
  it('never leaves the folder', () => {
    for (const address of [
      'app://bundle/../electron/main.cjs',
      'app://bundle/%2e%2e/electron/main.js',
      'app://bundle/%2e%2e%2felectron/main.js',
      'app://bundle/..%2f..%2f..%2fetc/x.html',
      'app://bundle/assets/%2e%2e/%2e%2e/%2e%2e/secret.js',
      'app://bundle/..%5c..%5csecret.js',
      'app://bundle/a%00.html',
      'app://bundle/%zz.html',
      'app://bundle//etc/../../../x.html',
    ]) {
      const found = path(address);
      expect(found === null || found.startsWith(`${folder}/`), `${address} → ${String(found)}`).toBe(true);
      expect(found ?? '').not.toContain('..');
    }
    expect(path('app://bundle/..%2fmain.js')).toBeNull();
  });
  it('answers for its own scheme, host and kinds of file only', () => {
    expect(path('app://other/index.html')).toBeNull();
    expect(path('file:///etc/passwd.html')).toBeNull();
    expect(path('app://bundle/index.html.map')).toBeNull();
    expect(path('app://bundle/passwd')).toBeNull();
  });
});

describe('content security policy', () => {
  it('is the one that was decided', () => {
    expect(CONTENT_SECURITY_POLICY).toBe(
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'",
    );
  });
});
