/**
 * What names somebody or opens something, by its shape: for texts that come from hosts, servers and programs, where no
 * list of names can be complete. Rather too much is taken out than too little. Pure.
 */

type Rule = readonly [shape: RegExp, mark: string];

/** A word in which a secret is announced, and what may stand between it and the secret. */
const SECRET_WORD =
  '[\\w-]*(?:key|token|pass(?:w(?:or)?d|phrase|code)?|pwd|secret|credential|cookie|bearer|auth)[\\w-]*';

/** In order: the longer shapes first, so that no part of one is left standing. */
const RULES: readonly Rule[] = [
  // A program's command line, which agents quote before its pid.
  [/^.*?(?= \(pid \d+\))/gm, '<command>'],
  [/-----BEGIN [A-Z0-9 ]+-----[\s\S]*?(?:-----END [A-Z0-9 ]+-----|$)/g, '<key>'],
  [/\b[a-z][a-z0-9+.-]*:\/\/[^\s"'<>]+/gi, '<url>'],
  [new RegExp(`(--?${SECRET_WORD})(?:=|\\s+)(?:"[^"]*"|'[^']*'|\\S+)`, 'gi'), '$1 <secret>'],
  [
    new RegExp(`\\b(${SECRET_WORD})["']?\\s*[:=]\\s*(?:(?:basic|bearer)\\s+)?(?:"[^"]*"|'[^']*'|\\S+)`, 'gi'),
    '$1=<secret>',
  ],
  [/\b(bearer|basic)\s+\S{6,}/gi, '$1 <secret>'],
  [/\b([A-Za-z_][A-Za-z0-9_]*)=(?:"[^"]*"|'[^']*'|[^\s<]\S*)/g, '$1=<value>'],
  [/\b(?:SHA256|SHA512|SHA1):[A-Za-z0-9+/=]{16,}/g, '<fingerprint>'],
  [/\b(?:MD5:)?(?:[0-9a-f]{2}[:-]){5,}[0-9a-f]{2}\b/gi, '<fingerprint>'],
  [/\b(?:sk|pk|rk|hf|gh[opsur]|glpat|xox[abprs]|npm|AKIA|ASIA)[-_]?[A-Za-z0-9_-]{8,}/g, '<token>'],
  [/[\w.+-]+@(?:\[[^\]\s]+\]|[\w.-]+)(?::\d+)?/g, '<user>@<host>'],
  // IPv6: eight groups, or a gap. A time of day has neither.
  [/(?<![\w:])(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}(?:%\w+)?/gi, '<address>'],
  [/(?<![\w:])(?=[0-9a-f:.]*::)[0-9a-f:]*[0-9a-f:.]+(?:%\w+)?/gi, '<address>'],
  [/\b\d{1,3}(?:\.\d{1,3}){3}\b/g, '<address>'],
  [/\b[A-Za-z]:[\\/][^\s"'<>|]*/g, '<path>'],
  [/\\\\[^\s"'<>|]+/g, '<path>'],
  [/(?:~|(?<![\w<]))\/[^\s"'<>,;:()]+/g, '<path>'],
  // Not a unit, such as GiB/s.
  [/(?<![\w<>])(?!(?:[KMGT]i?B|[a-z]{1,2})\/[a-z]{1,3}\b)(?:[\w.@+-]+\/){1,}[\w.@+-]*[\w@+-]/g, '<path>'],
  // A name with a dot that ends in letters: a host, or a file.
  [/(?<![\w.@<-])(?:[a-z0-9_-]+\.)+[a-z]{2,}(?![\w.-]*\w)/gi, '<name>'],
  // What no word looks like: digits and letters mixed, or large and small ones, over a length.
  [/(?<![\w<])(?=[\w+/=-]*\d)(?=[\w+/=-]*[A-Za-z])[\w+/=-]{20,}/g, '<token>'],
  [/(?<![\w<])(?=[A-Za-z+/=]*[a-z])(?=[A-Za-z+/=]*[A-Z])[A-Za-z+/=]{24,}/g, '<token>'],
];

export function withoutShapes(text: string): string {
  return RULES.reduce((left, [shape, mark]) => left.replace(shape, mark), text);
}

/** Machines are mostly called by the first part of their name; of an address that would be any number. */
const shortName = (host: string): string => /^[a-z][\w-]{2,}(?=\.)/i.exec(host)?.[0] ?? '';

/** People and hosts that a text gives away by where they stand, to be replaced wherever else they are named. */
export function namesIn(
  text: string,
): readonly { readonly kind: 'person' | 'host'; readonly name: string }[] {
  const found: { kind: 'person' | 'host'; name: string }[] = [];
  for (const [, name = ''] of text.matchAll(/[\\/](?:home|Users)[\\/]([\w.-]+)/g))
    found.push({ kind: 'person', name });
  for (const [, name = '', host = ''] of text.matchAll(/([\w.+-]+)@([\w.-]*\w)/g))
    found.push(
      { kind: 'person', name },
      { kind: 'host', name: host },
      { kind: 'host', name: shortName(host) },
    );
  return found;
}
