/** Which file of the renderer's folder an app:// address names. Pure: a path that leaves the folder names nothing. */
import { join, normalize, sep } from 'node:path';

export const SCHEME = 'app';
export const HOST = 'bundle';
export const ORIGIN = `${SCHEME}://${HOST}`;
export const START_URL = `${ORIGIN}/index.html`;

const MIME: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
  png: 'image/png',
  woff2: 'font/woff2',
};

export interface BundleFile {
  readonly path: string;
  readonly mime: string;
}

/** null: not ours, outside the folder, or a kind of file that no page of ours asks for. */
export function bundleFile(address: string, folder: string): BundleFile | null {
  let url: URL;
  let name: string;
  try {
    url = new URL(address);
    name = decodeURIComponent(url.pathname);
  } catch {
    return null;
  }
  if (url.protocol !== `${SCHEME}:` || url.host !== HOST) return null;
  if (/[\0\\]/.test(name)) return null;
  const root = normalize(folder + sep);
  const path = normalize(join(root, name === '/' ? 'index.html' : name));
  if (!path.startsWith(root)) return null;
  const mime = MIME[/\.([a-z0-9]+)$/.exec(path)?.[1] ?? ''];
  return mime === undefined ? null : { path, mime };
}
