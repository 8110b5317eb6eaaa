/** Tokens, tildes and variables of ssh_config(5), which `ssh -G` leaves to us in most values. Pure. */
import { createHash } from 'node:crypto';
import { pathsOf } from './paths.ts';

export interface TokenValues {
  readonly platform: NodeJS.Platform;
  readonly home: string;
  readonly localUser: string;
  readonly localHost: string;
  readonly uid: number | null;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** As typed. */
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly hostKeyAlias: string | null;
  readonly proxyJump: string;
}

/** Every `%x` of ssh_config(5), "TOKENS", that means something before the connection is there; `only`: those of them. */
export function expandTokens(
  text: string,
  values: TokenValues,
  only: readonly string[] | null = null,
): string {
  const { home, host, port, user, name, localUser, localHost, proxyJump } = values;
  const hash = () =>
    createHash('sha1')
      .update(`${localHost}${host}${String(port)}${user}${proxyJump}`)
      .digest('hex');
  const tokens: Readonly<Record<string, () => string>> = {
    '%%': () => '%',
    '%C': hash,
    '%d': () => home,
    '%h': () => host,
    '%i': () => String(values.uid ?? ''),
    '%j': () => proxyJump,
    '%k': () => values.hostKeyAlias ?? name,
    '%L': () => localHost.split('.')[0] ?? localHost,
    '%l': () => localHost,
    '%n': () => name,
    '%p': () => String(port),
    '%r': () => user,
    '%u': () => localUser,
  };
  return text.replace(/%./g, (token) =>
    only === null || only.includes(token) ? (tokens[token]?.() ?? token) : token,
  );
}

/**
 * A file name of the config: quotes off, tokens, `${VARIABLE}`, `~`. ssh takes a relative one from the folder it is
 * started in, which for somebody who opens a terminal is the home; a desktop starts programs anywhere.
 */
export function expandPath(text: string, values: TokenValues): string {
  const path = pathsOf(values.platform);
  const bare = text.replace(/^"(.*)"$/, '$1');
  const named = bare.replace(/\$\{(\w+)\}/g, (all, variable: string) => values.env[variable] ?? all);
  const expanded = expandTokens(named, values);
  if (expanded === '~' || /^~[/\\]/.test(expanded)) return path.join(values.home, expanded.slice(1));
  return path.isAbsolute(expanded) ? expanded : path.join(values.home, expanded);
}

/**
 * Several file names on one line. `ssh -G` prints them without the quotes that the config had, so what does not begin
 * like a path goes on from the name before it ("/home/mira/my hosts").
 */
export function splitPaths(line: string): readonly string[] {
  const paths: string[] = [];
  for (const [, quoted, plain = ''] of line.matchAll(/"([^"]*)"|(\S+)/g)) {
    const word = quoted ?? plain;
    const begins = quoted !== undefined || paths.length === 0 || /^([/~%$\\]|[A-Za-z]:[/\\])/.test(word);
    const before = paths.at(-1);
    if (begins || before === undefined) paths.push(word);
    else paths[paths.length - 1] = `${before} ${word}`;
  }
  return paths;
}
