/** Names of hosts in ~/.ssh/config, Include followed, patterns hidden. Lists only; connecting goes through resolve.ts. */
import { readFile, readdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import SSHConfig from 'ssh-config';

const INCLUDE_DEPTH_MAX = 16;
const HOSTS_MAX = 1000;

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

/** Include globs are relative to ~/.ssh; only the last path component is expanded, as most people use them. */
async function expandInclude(pattern: string, home: string): Promise<readonly string[]> {
  const path = pattern.startsWith('~/')
    ? join(home, pattern.slice(2))
    : isAbsolute(pattern)
      ? pattern
      : join(home, '.ssh', pattern);
  if (!/[*?]/.test(path)) return [path];
  const folder = dirname(path);
  const matches = globToRegExp(path);
  const entries = await readdir(folder).catch(() => []);
  return entries
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
    return { text: '', notes: [`${path} can not be read (${code ?? message}) and was left out.`] };
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

const asList = (value: unknown): string[] => {
  if (typeof value === 'string') return value.split(/\s+/).filter(Boolean);
  if (!Array.isArray(value)) return [];
  return value.flatMap((one: unknown) =>
    typeof one === 'string' ? [one] : asList((one as { val?: unknown } | null)?.val),
  );
};

async function collect(
  path: string,
  home: string,
  names: Set<string>,
  notes: string[],
  seen: Set<string>,
  depth: number,
): Promise<void> {
  if (seen.has(path) || depth > INCLUDE_DEPTH_MAX) return;
  seen.add(path);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const cause = error as NodeJS.ErrnoException;
    if (cause.code !== 'ENOENT')
      notes.push(`${path} can not be read (${cause.code ?? cause.message}); its hosts are missing here.`);
    return;
  }
  const walk = async (lines: readonly unknown[]): Promise<void> => {
    for (const line of lines) {
      const { param, value, config } = line as {
        param?: string;
        value?: unknown;
        config?: readonly unknown[];
      };
      const keyword = param?.toLowerCase();
      if (keyword === 'host') {
        for (const name of asList(value))
          if (!/[*?!]/.test(name) && !name.startsWith('-') && names.size < HOSTS_MAX) names.add(name);
      }
      if (keyword === 'include') {
        for (const pattern of asList(value)) {
          for (const file of await expandInclude(pattern, home))
            await collect(file, home, names, notes, seen, depth + 1);
        }
      }
      if (config) await walk(config);
    }
  };
  try {
    await walk(SSHConfig.parse(text));
  } catch (error) {
    notes.push(
      `${path} does not parse: ${error instanceof Error ? error.message : String(error)}; its hosts are missing here.`,
    );
  }
}

export async function listConfigHosts(
  configFile: string | null = null,
  home = homedir(),
): Promise<ConfigHosts> {
  const names = new Set<string>();
  const notes: string[] = [];
  const seen = new Set<string>();
  await collect(configFile ?? join(home, '.ssh/config'), home, names, notes, seen, 0);
  return { names: [...names], notes, files: [...seen] };
}
