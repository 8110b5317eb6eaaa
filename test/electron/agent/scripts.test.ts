import { describe, expect, it } from 'vitest';
import { checkSystem } from '../../../electron/core/agent/deploy.ts';
import { parsePreview } from '../../../electron/core/agent/nvidia-preview.ts';
import { fillScript, shellValue } from '../../../electron/core/agent/script-header.ts';
import { attachScript, markedLines } from '../../../electron/core/agent/scripts.ts';

describe('shellValue', () => {
  it.each(["'", '$(id)', 'a b', '', 'a\nb', '`id`', '../x', 'ä'])(
    'lets nothing but plain values into a script: “%s”',
    (value) => {
      expect(() => shellValue(value)).toThrow(/not a plain value/);
      expect(() => attachScript(value)).toThrow();
    },
  );
});

describe('fillScript', () => {
  const FILE = `#!/bin/sh\n# For who reads it: @word@.\n\nsay '@word@' "$@"\n# @part@\nprintf '@tranche %s' x\n`;

  it('sends what stands below the first empty line, with values and blocks in their places', () => {
    expect(fillScript(FILE, { word: 'a-1' }, { part: "say '@word@'\n" })).toBe(
      `say 'a-1' "$@"\nsay '@word@'\nprintf '@tranche %s' x\n`,
    );
  });

  it('refuses a value that is not plain, a hole without a value and a value without a hole', () => {
    const part = '';
    expect(() => fillScript(FILE, { word: "'; id; '" }, { part })).toThrow(/not a plain value/);
    expect(() => fillScript(FILE, {}, { part })).toThrow(/has no word/);
    expect(() => fillScript(FILE, { word: 'a' })).toThrow(/has no part/);
    expect(() => fillScript(FILE, { word: 'a', other: 'b' }, { part })).toThrow(/asks for no other/);
  });
});

describe('markedLines', () => {
  it('takes only lines with the marker and this nonce', () => {
    expect(
      markedLines('hi\n@tranche n missing\n@tranche m forged\nx @tranche n no\n@tranche n gpu 0, a \n', 'n'),
    ).toEqual(['missing', 'gpu 0, a']);
  });
});

describe('checkSystem', () => {
  it.each([
    ['system Linux x86_64', 'x86_64'],
    ['system Linux aarch64', 'aarch64'],
  ])('%s', (line, arch) => {
    expect(checkSystem([line], 'h')).toEqual({ ok: true, value: { arch } });
  });

  it.each([
    ['system Darwin arm64', 'unsupported-system', /runs Darwin/],
    ['system Linux riscv64', 'unsupported-architecture', /riscv64 machine/],
    ['missing', 'unsupported-system', /runs unknown/],
  ])('%s is refused in a sentence', (line, code, sentence) => {
    const result = checkSystem([line], 'h');
    expect(result.ok).toBe(false);
    if (result.ok) return;
    expect(result.error.code).toBe(code);
    expect(result.error.message).toMatch(sentence);
    expect(result.error.message).toMatch(/Nothing was installed/);
  });
});

describe('parsePreview', () => {
  it('reads nvidia-smi, with null for what it cannot tell', () => {
    const lines = [
      'gpu 0, GPU-5f1e, NVIDIA H100 80GB HBM3, 81559, 480, 0, 34, 580.159.04',
      'gpu 1, GPU-77aa, NVIDIA GB10, [N/A], [Not Supported], [N/A], 41, 580.159.04',
    ];
    const preview = parsePreview(lines);
    expect(preview).toMatchObject({ driver: '580.159.04', note: null });
    expect(preview.gpus).toMatchObject([
      {
        index: 0,
        uuid: 'GPU-5f1e',
        name: 'NVIDIA H100 80GB HBM3',
        capacityBytes: 81559 * 1048576,
        memoryUsedBytes: 480 * 1048576,
        utilizationPercent: 0,
        temperatureC: 34,
      },
      { index: 1, capacityBytes: null, memoryUsedBytes: null, utilizationPercent: null, temperatureC: 41 },
    ]);
  });

  it('keeps the exact words when there is nothing to read', () => {
    const preview = parsePreview([
      'note NVIDIA-SMI has failed because it could not communicate with the NVIDIA driver.',
    ]);
    expect(preview.gpus).toEqual([]);
    expect(preview.note).toMatch(/could not communicate/);
  });

  it('does not take a changed output for a GPU', () => {
    expect(parsePreview(['gpu index, uuid', 'gpu ']).gpus).toEqual([]);
  });
});
