/** Lines of an ssh config, taken apart as OpenSSH does it (readconf.c, argv_split). Pure. */

export interface ConfigLine {
  /** In lower case. */
  readonly keyword: string;
  readonly args: readonly string[];
}

/** Words with quotes and escapes taken off, up to a comment; null: a quote that does not close, which ssh refuses. */
export function splitWords(text: string): readonly string[] | null {
  const words: string[] = [];
  let i = 0;
  for (;;) {
    while (text[i] === ' ' || text[i] === '\t') i += 1;
    if (i >= text.length || text[i] === '#') return words;
    let word = '';
    let quote = '';
    for (; i < text.length; i += 1) {
      const c = text[i] ?? '';
      const next = text[i + 1] ?? '';
      if (c === '\\' && next !== '' && ('\'"\\'.includes(next) || (quote === '' && next === ' '))) {
        word += next;
        i += 1;
      } else if (quote === '' && (c === ' ' || c === '\t')) break;
      else if (quote === '' && (c === '"' || c === "'")) quote = c;
      else if (c === quote) quote = '';
      else word += c;
    }
    if (quote !== '') return null;
    words.push(word);
  }
}

/** null: an empty line, a comment, or one that ssh refuses. */
export function readConfigLine(line: string): ConfigLine | null {
  const [, keyword, rest = ''] = /^\s*([^\s"=#]+)(?:\s*=\s*|\s+)?(.*?)\s*$/.exec(line) ?? [];
  const args = keyword === undefined ? null : splitWords(rest);
  return keyword === undefined || args === null ? null : { keyword: keyword.toLowerCase(), args };
}
