#!/usr/bin/env node
// Makes docs/errors.md of the codes in model/errors.ts and the comments above them. `--check`, as part of
// `npm run check`, writes nothing and fails where docs/errors.md is not what it would be, where a code is not explained,
// and where the codes that agent/ and the scripts on hosts say are not those of the lists.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import prettier from 'prettier';

const root = fileURLToPath(new URL('..', import.meta.url));
const at = (path) => join(root, path);
const CATALOGUE = 'docs/errors.md';

/** Pure. The codes of one list of model/errors.ts, each with what stands above it. */
export function readErrors(source, list) {
  const from = source.indexOf(`export const ${list} = [`);
  const to = source.indexOf('] as const;', from);
  if (from === -1 || to === -1) throw new Error(`model/errors.ts has no list ${list}`);
  const errors = [];
  let said = [];
  for (const line of source.slice(from, to).split('\n').slice(1)) {
    const comment = /^ {2}\/\/ (.*)$/.exec(line)?.[1];
    const code = /^ {2}'([a-z]+(?:-[a-z]+)*)',$/.exec(line)?.[1];
    if (comment !== undefined) said.push(comment);
    else if (code !== undefined) {
      const [means = '', act = '', ...more] = said.join(' ').split(' → ');
      if (![means, act].every((sentence) => /^[A-Z`].*\.$/.test(sentence)) || more.length > 0)
        throw new Error(
          `the code ${code} is not explained: model/errors.ts wants above it what it means → what to do, each a sentence.`,
        );
      errors.push({ code, means, act });
      said = [];
    } else if (line.trim() !== '')
      throw new Error(`model/errors.ts has a line that is no code: ${line.trim()}`);
  }
  return errors;
}

/** How a code gets into an answer of the agent, as literals: by a call, as the text of a field, as a first value. */
const SAID_IN_C = [
  /\b(?:fail|edit_admission_failure|answer_starter)\(\s*[^,()"]+,\s*"([^"]*)"/g,
  /\bjson_put_text\(\s*[^,()"]+,\s*"code",\s*"([^"]*)"/g,
  /\bconst char \*code = "([^"]+)"/g,
];
/** Its functions return codes. */
const ADMISSION = 'admission.c';

/** Pure. The codes that a file of C can answer with. */
export function codesInC(name, text) {
  const said = basename(name) === ADMISSION ? [...SAID_IN_C, /\breturn "([^"]*)";/g] : SAID_IN_C;
  return said.flatMap((pattern) => [...text.matchAll(pattern)].map((match) => match[1]));
}

/** Pure. The codes with which a script on a host says that it failed. */
export const codesInScript = (text) => [...text.matchAll(/\bsay failed ([a-z-]+)/g)].map((match) => match[1]);

/** Pure. `said`: code → the files that say it. What is said and in no list, and what is in the list and nobody says. */
export function compareCodes(listed, said, where) {
  return [
    ...[...said]
      .filter(([code]) => !listed.includes(code))
      .map(([code, files]) => `${code} is said in ${files.join(', ')}, and ${where} does not have it`),
    ...listed.filter((code) => !said.has(code)).map((code) => `${code} is in ${where}, and nobody says it`),
  ];
}

const table = (errors) => [
  '| code | what it means | what to do |',
  '|---|---|---|',
  ...errors.map(({ code, means, act }) => `| \`${code}\` | ${means} | ${act} |`),
];

/** Pure. The page, not laid out yet. */
export function catalogue(agent, core) {
  return [
    '<!-- Made by scripts/error-catalogue.mjs of model/errors.ts: change the comments there. -->',
    '# Error codes',
    'Each refusal has a code, for programs, and a message, for people; the message says what was wrong in this case and what was left as it was. The command line prints the message, the window shows both (_Copy details_).',
    `## From the agent (${agent.length})`,
    'In the answers of the line protocol (docs/protocol.md), to the window and to `tranche`.',
    table(agent).join('\n'),
    `## From the app (${core.length})`,
    'From the core and the main process of the desktop app. `busy` and `internal` come from there, too.',
    table(core).join('\n'),
    '',
  ].join('\n\n');
}

/** code → files that say it, over all files below a folder whose names end so. */
function gather(folder, ending, codesOf) {
  const said = new Map();
  for (const name of readdirSync(at(folder), { recursive: true })) {
    if (!name.endsWith(ending)) continue;
    const path = join(folder, name);
    for (const code of codesOf(path, readFileSync(at(path), 'utf8')))
      said.set(code, [...new Set([...(said.get(code) ?? []), relative('.', path)])]);
  }
  return said;
}

async function main() {
  const source = readFileSync(at('model/errors.ts'), 'utf8');
  const agent = readErrors(source, 'AGENT_ERROR_CODES');
  const core = readErrors(source, 'CORE_ERROR_CODES');
  const wanted = await prettier.format(catalogue(agent, core), {
    ...(await prettier.resolveConfig(at(CATALOGUE))),
    filepath: at(CATALOGUE),
  });
  if (!process.argv.includes('--check')) {
    writeFileSync(at(CATALOGUE), wanted);
    return [];
  }
  const codesOf = (errors) => errors.map(({ code }) => code);
  const all = [...codesOf(agent), ...codesOf(core)];
  const inScripts = gather('electron/core/agent/scripts', '.sh', (_path, text) => codesInScript(text));
  const there = readFileSync(at(CATALOGUE), 'utf8');
  return [
    ...(there === wanted ? [] : [`${CATALOGUE} is out of date: run node scripts/error-catalogue.mjs`]),
    ...compareCodes(codesOf(agent), gather('agent', '.c', codesInC), 'AGENT_ERROR_CODES'),
    ...[...inScripts.keys()]
      .filter((code) => !all.includes(code))
      .map((code) => `a script says ${code}, which is no code`),
  ];
}

if (basename(process.argv[1] ?? '') === 'error-catalogue.mjs') {
  try {
    const problems = await main();
    for (const problem of problems) console.error(problem);
    process.exitCode = problems.length === 0 ? 0 : 1;
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  }
}
