import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findFaults } from '../../scripts/check-layers.mjs';

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tranche-floors-'));
});
afterEach(() => rmSync(root, { recursive: true }));

function build(files: Readonly<Record<string, string>>): string[] {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return findFaults(root);
}

const body = (name: string, calls = ''): string => `void ${name}(void)\n{\n    ${calls}\n}\n`;

describe('the floors of agent/', () => {
  it('stand in this tree', () => {
    expect(findFaults(fileURLToPath(new URL('../..', import.meta.url)))).toEqual([]);
  });

  it('let calls go down', () => {
    expect(
      build({
        'agent/src/base/low.h': 'void low(void);\n',
        'agent/src/base/low.c': `#include "base/low.h"\n\n${body('low')}`,
        'agent/src/wire/high.c': `#include "base/low.h"\n\n${body('high', 'low();')}`,
      }),
    ).toEqual([]);
  });

  it('refuse a call that climbs, with the reason of the floor', () => {
    const faults = build({
      'agent/src/base/low.c': body('low', 'high();'),
      'agent/src/wire/high.c': body('high'),
    });
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatch(/low\.c calls high of .*high\.c: base may not use wire\. base: The system/);
  });

  it('refuse an include that climbs, and one of a room that is not ours', () => {
    const faults = build({
      'agent/src/wire/high.h': '',
      'agent/src/base/low.c': '#include "wire/high.h"\n',
      'agent/shim/core/ledger.c': '#include "cuda_min.h"\n',
    });
    expect(faults.join('\n')).toMatch(/low\.c includes wire\/high\.h: base may not use wire/);
    expect(faults.join('\n')).toMatch(/ledger\.c includes cuda_min\.h: core knows no cuda_min\.h/);
  });

  it('refuse what launches programs a way into the agent', () => {
    const faults = build({
      'agent/src/launch/run.c': body('run', 'edit();'),
      'agent/src/slices/edit.c': body('edit'),
    });
    expect(faults.join('\n')).toContain('launch may not use slices');
  });

  it('refuse two files of one floor that call each other, and say where', () => {
    const faults = build({
      'agent/src/jobs/a.c': body('a', 'b();'),
      'agent/src/jobs/b.c': body('b', 'a();'),
    });
    expect(faults).toEqual([expect.stringContaining('2 files call each other in a circle')]);
    expect(faults[0]).toContain('agent/src/jobs/a.c → agent/src/jobs/b.c: b');
  });

  it('let the core call what its port declares, and nothing else of cuda/', () => {
    const files = {
      'agent/shim/core/backend.h': 'void backend_trim(void);\n',
      'agent/shim/cuda/backend.c': body('backend_trim') + body('other'),
    };
    expect(build({ ...files, 'agent/shim/core/charge.c': body('charge', 'backend_trim();') })).toEqual([]);
    expect(build({ ...files, 'agent/shim/core/charge.c': body('charge', 'other();') }).join()).toContain(
      'core may not use cuda',
    );
  });

  it('refuse a header that declares the function of another file', () => {
    const faults = build({
      'agent/src/base/one.h': 'void two(void);\n',
      'agent/src/base/two.c': body('two'),
    });
    expect(faults.join()).toContain(
      'one.h declares two, which agent/src/base/two.c defines: it belongs into two.h',
    );
  });

  it('refuse an environment name that no table explains', () => {
    expect(build({ 'agent/src/base/low.c': body('low', 'getenv("HOME");') }).join()).toContain(
      'calls getenv("HOME")',
    );
  });

  it('take no word of a comment or of a text for a call', () => {
    expect(
      build({
        'agent/src/base/low.c': `/* high() */\n${body('low', 'say("high()");')}`,
        'agent/src/wire/high.c': body('high'),
      }),
    ).toEqual([]);
  });

  it('refuse a file that stands on no floor', () => {
    expect(build({ 'agent/src/stray.c': body('stray') }).join()).toContain('stray.c stands on no floor');
  });
});
