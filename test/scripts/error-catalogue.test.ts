/** The catalogue of error codes: that none goes without its sentences, and that C says those of the list alone. */
import { describe, expect, it } from 'vitest';
import {
  catalogue,
  codesInC,
  codesInScript,
  compareCodes,
  readErrors,
} from '../../scripts/error-catalogue.mjs';

const list = (...lines: string[]): string =>
  ['export const CODES = [', ...lines.map((line) => `  ${line}`), '] as const;', ''].join('\n');
const BUSY = ['// It is under way', '// already. → Wait for', '// a moment.', "'busy',"];

describe('the list of codes', () => {
  it('is read with what stands above each code, over several lines', () => {
    expect(readErrors(list(...BUSY), 'CODES')).toEqual([
      { code: 'busy', means: 'It is under way already.', act: 'Wait for a moment.' },
    ]);
  });

  it.each([
    ['nothing above it', ["'no-gpu',"]],
    ['no word of what to do', ['// There is no GPU.', "'no-gpu',"]],
    ['an empty word of what to do', ['// There is no GPU. → ', "'no-gpu',"]],
    ['something that is no sentence', ['// There is no GPU → Look', "'no-gpu',"]],
  ])('refuses a code with %s', (_what, lines) => {
    expect(() => readErrors(list(...BUSY, ...lines), 'CODES')).toThrow(/the code no-gpu is not explained/);
  });

  it('is found, and has nothing else in it', () => {
    expect(() => readErrors(list(...BUSY), 'OTHERS')).toThrow(/no list OTHERS/);
    expect(() => readErrors(list('...MORE,'), 'CODES')).toThrow(/a line that is no code: \.\.\.MORE/);
  });
});

describe('what C says', () => {
  it('is read from each way to say it, and from nothing else', () => {
    const text = `
      if (strcmp(code, "not-one") == 0) return fail(f, code, "A sentence.");
      return fail(
          &r->failure, "slice-in-use", "%u are in it.", count);
      fail(failure, "too-many-terminals", "One.");
      return edit_admission_failure(failure, "memory-limit-too-small", &bad);
      json_put_text(&w, "code", "internal");
      json_put_text(w, "ev", "terminal-ended");
      const char *code = "", *level = "";
      return "no-code-either";`;
    expect(codesInC('agent/src/edit.c', text)).toEqual([
      'slice-in-use',
      'too-many-terminals',
      'memory-limit-too-small',
      'internal',
    ]);
    expect(codesInC('agent/src/slices/admission.c', 'if (a) return "quota-exceeded";')).toEqual([
      'quota-exceeded',
    ]);
    expect(codesInScript('  say failed disk-full "$place"; say step done')).toEqual(['disk-full']);
  });

  it('is refused where the list lacks it, and the list where nobody says it', () => {
    const said = new Map([
      ['busy', ['agent/a.c']],
      ['bussy', ['agent/b.c']],
    ]);
    expect(compareCodes(['busy', 'no-gpu'], said, 'CODES')).toEqual([
      'bussy is said in agent/b.c, and CODES does not have it',
      'no-gpu is in CODES, and nobody says it',
    ]);
  });
});

it('has one row a code', () => {
  const page = catalogue(readErrors(list(...BUSY), 'CODES'), []);
  expect(page).toContain('| `busy` | It is under way already. | Wait for a moment. |');
});
