/** Where updates may be looked for: nowhere, unless somebody has said so. Pure but for `readFeed`. docs/release.md */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

export type Feed =
  | { readonly kind: 'none' }
  | { readonly kind: 'set'; readonly url: string }
  /** Somebody wanted one and it cannot be used: said when updates are looked for, instead of silence. */
  | { readonly kind: 'wrong'; readonly why: string };

export const FEED_VARIABLE = 'TRANCHE_UPDATE_FEED';
const LOCAL = ['127.0.0.1', '[::1]', 'localhost'];
const administrator = z.strictObject({ feed: z.string().max(2000).nullable() });
const packaged = z.object({ updateFeed: z.string().max(2000).nullable().optional() });

/** URL.canParse is younger than the Node in the oldest Electron that this runs in. */
function urlOf(text: string): URL | null {
  try {
    return new URL(text);
  } catch {
    return null;
  }
}

/** https, or this machine: what comes from there is installed, on Linux by root. */
function feedAt(text: string, where: string): Feed {
  const url = urlOf(text);
  if (url?.protocol === 'https:' || (url?.protocol === 'http:' && LOCAL.includes(url.hostname)))
    return { kind: 'set', url: url.href };
  return { kind: 'wrong', why: `${where} names “${text.slice(0, 200)}”, which is no https address.` };
}

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

export interface FeedSources {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The administrator's file; `text` null: there is none. */
  readonly file: { readonly path: string; readonly text: string | null };
  /** The app's own package.json. */
  readonly about: string;
}

/** The first that says anything: the environment, the administrator's file, the package. Empty and null mean none. */
export function findFeed({ env, file, about }: FeedSources): Feed {
  const asked = env[FEED_VARIABLE];
  if (asked !== undefined) return asked === '' ? { kind: 'none' } : feedAt(asked, FEED_VARIABLE);
  if (file.text !== null) {
    const said = administrator.safeParse(parse(file.text));
    if (!said.success)
      return { kind: 'wrong', why: `${file.path} is not as it should be, { "feed": "https://…" }.` };
    return said.data.feed === null ? { kind: 'none' } : feedAt(said.data.feed, file.path);
  }
  const own = packaged.safeParse(parse(about)).data?.updateFeed ?? null;
  return own === null ? { kind: 'none' } : feedAt(own, 'This package');
}

export function administratorFile(platform: NodeJS.Platform, env: NodeJS.ProcessEnv): string {
  if (platform === 'darwin') return '/Library/Application Support/Tranche/update.json';
  if (platform === 'win32') return join(env['ProgramData'] ?? 'C:\\ProgramData', 'Tranche', 'update.json');
  return '/etc/tranche/update.json';
}

/** Only a package can be updated: a checkout has git. */
export function readFeed(packagedApp: { readonly path: string } | null): Feed {
  if (packagedApp === null) return { kind: 'none' };
  const path = administratorFile(process.platform, process.env);
  let text: string | null = null;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
      return { kind: 'wrong', why: `${path} cannot be read: ${String(error)}` };
  }
  const about = readFileSync(join(packagedApp.path, 'package.json'), 'utf8');
  return findFeed({ env: process.env, file: { path, text }, about });
}
