/** Names of hosts in ~/.ssh/config, Include followed, patterns hidden. Lists only; connecting goes through resolve.ts. */
import { readFile, readdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, dirname, isAbsolute, join } from 'node:path';
import { readConfigLine } from './config-lines.ts';
import { plainText } from './plain-text.ts';

const INCLUDE_DEPTH_MAX = 16;
/** More than any lab has; a list that is longer says so. */
const HOSTS_MAX = 5_000;
/** A name with its prefix is an id, which has a bound of its own (model/ipc.ts). */
const NAME_MAX = 280;

export interface ConfigHosts {
  readonly names: readonly string[];
  /** What could not be read, in sentences. */
  readonly notes: readonly string[];
  /** Every file that was looked at, also those that are not there. */
  readonly files: readonly string[];
}

function globToRegExp(glob: string): RegExp {
  return new RegExp(
    `^${glob
      .replace(/[.+^${}()|[\]\\]/g, '\\$&')
      .replaceAll('*', '[^/]*')
      .replaceAll('?', '[^/]')}$`,
  );
}

/**
 * Include globs are relative to ~/.ssh, those of the system's config to its own folder; only the last path component is
 * expanded, as most people use them. As glob(3): what begins with a dot is hidden from a pattern that does not.
 */
async function expandInclude(
  pattern: string,
  home: string,
  base = join(home, '.ssh'),
): Promise<readonly string[]> {
  const path = pattern.startsWith('~/')
    ? join(home, pattern.slice(2))
    : isAbsolute(pattern)
      ? pattern
      : join(base, pattern);
  if (!/[*?]/.test(path)) return [path];
  const folder = dirname(path);
  const matches = globToRegExp(path);
  const entries = await readdir(folder).catch(() => []);
  const wantsHidden = basename(path).startsWith('.');
  return entries
    .filter((entry) => wantsHidden || !entry.startsWith('.'))
    .map((entry) => join(folder, entry))
    .filter((entry) => matches.test(entry))
    .sort();
}

/**
 * The text of a config with its Include lines replaced by what they name. What follows an Include belongs to the block
 * around it again, so that block's head is repeated after it.
 */
export async function readWithIncludes(
  path: string,
  home: string,
  seen: ReadonlySet<string> = new Set(),
): Promise<{ readonly text: string; readonly notes: readonly string[] }> {
  if (seen.has(path) || seen.size > INCLUDE_DEPTH_MAX) return { text: '', notes: [] };
  let source: string;
  try {
    source = await readFile(path, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return { text: '', notes: [] };
    return { text: '', notes: [`${path} cannot be read (${code ?? message}) and was left out.`] };
  }
  const lines: string[] = [];
  const notes: string[] = [];
  let head = 'Host *';
  for (const line of source.split(/\r?\n/)) {
    if (/^\s*(Host|Match)\b/i.test(line)) head = line;
    const include = /^\s*Include(?:\s*=\s*|\s+)(.+)$/i.exec(line)?.[1];
    if (include === undefined) {
      lines.push(line);
      continue;
    }
    for (const pattern of include.trim().split(/\s+/)) {
      for (const file of await expandInclude(pattern.replace(/^"(.*)"$/, '$1'), home)) {
        const inner = await readWithIncludes(file, home, new Set([...seen, path]));
        lines.push(inner.text);
        notes.push(...inner.notes);
      }
    }
    lines.push(head);
  }
  return { text: lines.join('\n'), notes };
}

interface Collected {
  readonly home: string;
  /** What relative names in Include are relative to. */
  readonly base: string;
  readonly names: Set<string>;
  readonly notes: string[];
  readonly seen: Set<string>;
}

/** What can be shown, connected to and remembered. A pattern is no host, and `-x` would be an option. */
const isName = (name: string): boolean => name !== '' && !/[*?!]/.test(name) && !name.startsWith('-');
const isShown = (name: string): boolean => name.length <= NAME_MAX && plainText(name) === name;

function addHosts(args: readonly string[], path: string, { names, notes }: Collected): void {
  for (const name of args.filter(isName)) {
    if (isShown(name)) names.add(name);
    else
      notes.push(
        `${path} names a host with invisible characters or more than ${String(NAME_MAX)} letters, which is left out: ${plainText(name).slice(0, 40)}.`,
      );
  }
}

async function collect(path: string, all: Collected, depth: number): Promise<void> {
  const { seen, notes } = all;
  if (seen.has(path) || depth > INCLUDE_DEPTH_MAX) return;
  seen.add(path);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const cause = error as NodeJS.ErrnoException;
    if (cause.code !== 'ENOENT')
      notes.push(`${path} cannot be read (${cause.code ?? cause.message}); its hosts are missing here.`);
    return;
  }
  for (const raw of text.split(/\r?\n/)) {
    const line = readConfigLine(raw);
    if (line?.keyword === 'host') addHosts(line.args, path, all);
    if (line?.keyword !== 'include') continue;
    for (const pattern of line.args)
      for (const file of await expandInclude(pattern, all.home, all.base))
        await collect(file, all, depth + 1);
  }
}

/** `system`: the config of the whole computer, read after the user's own where none was named. */
export async function listConfigHosts(
  configFile: string | null = null,
  home = homedir(),
  system: string | null = null,
): Promise<ConfigHosts> {
  const shared = { home, names: new Set<string>(), notes: [] as string[], seen: new Set<string>() };
  await collect(configFile ?? join(home, '.ssh/config'), { ...shared, base: join(home, '.ssh') }, 0);
  if (configFile === null && system !== null) await collect(system, { ...shared, base: dirname(system) }, 0);
  const names = [...shared.names];
  if (names.length > HOSTS_MAX)
    shared.notes.push(
      `Your ssh config names ${String(names.length)} hosts; the first ${String(HOSTS_MAX)} are listed here. Any other can be added by its name.`,
    );
  return { names: names.slice(0, HOSTS_MAX), notes: shared.notes, files: [...shared.seen] };
}
