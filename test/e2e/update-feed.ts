/** An update feed on loopback, as `npm run package` lays one out: latest-linux.yml and one file. */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';

const PACKAGE = Buffer.from('not a package, and nobody installs it');

export interface UpdateFeed {
  readonly url: string;
  /** What was asked, in order. */
  readonly asked: readonly { readonly path: string; readonly headers: IncomingMessage['headers'] }[];
  /** From now on the file is, or is not, the one whose sum the feed names. */
  honest: boolean;
  close(): Promise<void>;
}

export async function startUpdateFeed(version: string): Promise<UpdateFeed> {
  const asked: { path: string; headers: IncomingMessage['headers'] }[] = [];
  const name = `tranche_${version}_amd64.deb`;
  const sha512 = createHash('sha512').update(PACKAGE).digest('base64');
  const about = [
    `version: ${version}`,
    'files:',
    `  - url: ${name}`,
    `    sha512: ${sha512}`,
    `    size: ${String(PACKAGE.length)}`,
    `path: ${name}`,
    `sha512: ${sha512}`,
    "releaseDate: '2026-01-01T00:00:00.000Z'",
    '',
  ].join('\n');
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://feed');
    asked.push({ path: pathname, headers: request.headers });
    if (pathname === '/latest-linux.yml') response.end(about);
    else if (pathname === `/${name}`) {
      // As long as the real one: only the sum can tell.
      response.end(feed.honest ? PACKAGE : Buffer.from(PACKAGE).reverse());
    } else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const feed: UpdateFeed = {
    url: `http://127.0.0.1:${String(address.port)}/`,
    asked,
    honest: true,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return feed;
}
