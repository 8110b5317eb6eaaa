/** `app://bundle/`: the renderer's files and nothing else of the disk, each with our content security policy. */
import { readFile } from 'node:fs/promises';
import { protocol } from 'electron';
import { SCHEME, bundleFile } from './bundle-path.ts';
import { CONTENT_SECURITY_POLICY } from './csp.ts';

/** Before `ready`: makes app:// a real origin with storage and module scripts. */
export function registerScheme(): void {
  protocol.registerSchemesAsPrivileged([
    {
      scheme: SCHEME,
      privileges: { standard: true, secure: true, supportFetchAPI: true, corsEnabled: true },
    },
  ]);
}

const headers = (mime: string): Record<string, string> => ({
  'content-type': mime,
  'content-security-policy': CONTENT_SECURITY_POLICY,
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
});

export function serveBundle(folder: string): void {
  protocol.handle(SCHEME, async (request) => {
    const file = request.method === 'GET' ? bundleFile(request.url, folder) : null;
    const body = file === null ? null : await readFile(file.path).catch(() => null);
    if (file === null || body === null) {
      return new Response('Not found', { status: 404, headers: headers('text/plain; charset=utf-8') });
    }
    return new Response(new Uint8Array(body), { status: 200, headers: headers(file.mime) });
  });
}
