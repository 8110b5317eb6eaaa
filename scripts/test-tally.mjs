// A vitest reporter that writes each result down as it comes, one JSON object a line: what was found is known even where
// a run does not come to its end. TRANCHE_TALLY names the file.
import { appendFileSync } from 'node:fs';

const file = process.env['TRANCHE_TALLY'];
const write = (line) => {
  if (file !== undefined) appendFileSync(file, `${JSON.stringify(line)}\n`);
};

// oxlint-disable-next-line import/no-default-export -- vitest takes a reporter by its default export
export default class Tally {
  onTestModuleStart(module) {
    write({ kind: 'begins', file: module.moduleId });
  }
  onTestCaseResult(test) {
    const { state, errors } = test.result();
    const { retryCount = 0 } = test.diagnostic() ?? {};
    write({
      kind: 'test',
      file: test.module.moduleId,
      name: test.fullName,
      state,
      meta: test.meta(),
      why: errors?.[0]?.message ?? null,
      retryCount,
    });
  }
  onTestModuleEnd(module) {
    write({ kind: 'ends', file: module.moduleId, errors: module.errors().map(({ message }) => message) });
  }
}

/**
 * Pure. What the lines of a run say, whole or not: counts, who failed, who passed at a second try only, and which files
 * were begun and not ended.
 */
export function readTally(text) {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  const begun = new Set();
  const failures = [];
  const skipped = [];
  const retried = [];
  for (const line of text.split('\n')) {
    if (line === '') continue;
    let it;
    try {
      it = JSON.parse(line);
    } catch {
      continue; // cut off in the middle of a line: the file it was in has not ended, and is told for that
    }
    if (it.kind === 'begins') begun.add(it.file);
    if (it.kind === 'ends') {
      begun.delete(it.file);
      // A file that fails to load holds no failed test, but is a failure all the same.
      for (const why of it.errors) failures.push({ name: it.file, why });
    }
    if (it.kind !== 'test') continue;
    if (it.state === 'passed') {
      counts.passed += 1;
      if (it.retryCount > 0) retried.push({ name: it.name, why: it.why });
    } else if (it.state === 'failed') failures.push({ name: it.name, why: it.why });
    else {
      counts.skipped += 1;
      skipped.push({ name: it.name, meta: it.meta });
    }
  }
  counts.failed = failures.length;
  return { counts, failures, skipped, retried, unended: [...begun] };
}
