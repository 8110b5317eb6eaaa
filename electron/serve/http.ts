/** The browser's way in: static files of the renderer, a one-use token for a session secret, loopback only. */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { extname, join, normalize, sep } from 'node:path';

const MIME: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
  '.ico': 'image/x-icon',
};
const BODY_MAX_BYTES = 4096;
/** A browser that is slow to open still gets in; a token that lies around does not. */
const TOKEN_LIFETIME_MS = 10 * 60_000;

const newSecret = (): string => randomBytes(32).toString('base64url');

function same(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}

/** One-use tokens in, session secrets out. */
export class Sessions {
  private readonly tokens = new Map<string, number>();
  private readonly secrets = new Set<string>();

  newToken(nowMs: number): string {
    const token = newSecret();
    this.tokens.set(token, nowMs + TOKEN_LIFETIME_MS);
    return token;
  }

  /** The token is spent whether or not the exchange succeeds in the end. */
  exchange(token: string, nowMs: number): string | null {
    for (const [known, until] of this.tokens) {
      if (!same(known, token)) continue;
      this.tokens.delete(known);
      if (until < nowMs) return null;
      const secret = newSecret();
      this.secrets.add(secret);
      return secret;
    }
    return null;
  }

  isSecret(secret: string): boolean {
    return [...this.secrets].some((known) => same(known, secret));
  }
}

/** The page's own origin and nothing else: stops other sites and DNS rebinding. */
export function isOwnOrigin(request: IncomingMessage, port: number): boolean {
  const host = request.headers.host ?? '';
  const allowed = [`127.0.0.1:${String(port)}`, `localhost:${String(port)}`];
  if (!allowed.includes(host)) return false;
  const { origin } = request.headers;
  return origin === undefined || origin === `http://${host}`;
}

function contentSecurityPolicy(host: string): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    `connect-src 'self' ws://${host}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "object-src 'none'",
  ].join('; ');
}

async function readBody(request: IncomingMessage): Promise<string | null> {
  let body = '';
  for await (const chunk of request) {
    body += String(chunk);
    if (body.length > BODY_MAX_BYTES) return null;
  }
  return body;
}

function answer(
  response: ServerResponse,
  status: number,
  type: string,
  body: string | Buffer,
  host: string,
): void {
  response.writeHead(status, {
    'content-type': type,
    'content-security-policy': contentSecurityPolicy(host),
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cache-control': 'no-store',
  });
  response.end(body);
}

/** Confined to `folder`: a path that leaves it is not found. */
export function pathInside(folder: string, urlPath: string): string | null {
  let decoded: string;
  try {
    decoded = decodeURIComponent(urlPath);
  } catch {
    return null;
  }
  if (decoded.includes('\0')) return null;
  const path = normalize(join(folder, decoded === '/' ? 'index.html' : decoded));
  return path.startsWith(folder + sep) ? path : null;
}

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  rendererFolder: string,
  sessions: Sessions,
  port: number,
): Promise<void> {
  const host = request.headers.host ?? '';
  if (!isOwnOrigin(request, port)) {
    answer(response, 403, 'text/plain', 'This address serves Tranche to this computer only.\n', '127.0.0.1');
    return;
  }
  const url = new URL(request.url ?? '/', `http://${host}`);
  if (request.method === 'POST' && url.pathname === '/session') {
    const body = await readBody(request);
    const token = /^\{"token":"([A-Za-z0-9_-]{1,100})"\}$/.exec(body ?? '')?.[1];
    const secret = token === undefined ? null : sessions.exchange(token, Date.now());
    answer(response, secret === null ? 403 : 200, 'application/json', JSON.stringify({ secret }), host);
    return;
  }
  const path = request.method === 'GET' ? pathInside(rendererFolder, url.pathname) : null;
  const data = path === null ? null : await readFile(path).catch(() => null);
  if (path === null || data === null) answer(response, 404, 'text/plain', 'There is no such page.\n', host);
  else answer(response, 200, MIME[extname(path)] ?? 'application/octet-stream', data, host);
}

export function makeHttpServer(rendererFolder: string, sessions: Sessions, portOf: () => number): Server {
  return createServer((request, response) => {
    handle(request, response, rendererFolder, sessions, portOf()).catch(() => {
      if (!response.headersSent) response.writeHead(500);
      response.end();
    });
  });
}
