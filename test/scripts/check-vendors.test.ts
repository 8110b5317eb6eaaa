import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { readVendorFiles, vendorWords } from '../../scripts/check-vendors.mjs';

const tree = readVendorFiles(fileURLToPath(new URL('../..', import.meta.url)));
const planted = (path: string, text: string): readonly string[] => vendorWords(new Map([[path, text]]));

test('nothing in the tree says a vendor’s word outside that vendor’s files', () => {
  expect(tree.size).toBeGreaterThan(300);
  expect(vendorWords(tree)).toEqual([]);
});

test.each([
  ['agent/src/slices/a.c', 'say("MIG is on");'],
  ['agent/src/slices/a.c', 'bool mig_enabled;'],
  ['agent/src/wire/a.c', 'struct mps *mps;'],
  ['model/a.ts', "const word = 'XID';"],
  ['renderer/domain/a.ts', "name.startsWith('GPU-')"],
  ['renderer/features/a.tsx', '<p>Read with nvidia-smi</p>'],
  ['electron/core/agent/scripts/a.sh', 'nvidia-smi -L'],
  ['renderer/features/a.tsx', 'gpu.migEnabled'],
])('in %s it is found: %s', (path, text) => {
  expect(planted(path, text)).toHaveLength(1);
});

test.each([
  ['a vendor’s own file', 'agent/src/gpu/nvidia/a.c', '"NVIDIA"'],
  ['a comment', 'agent/src/slices/a.c', '/* as NVIDIA has it */ int a; // MIG'],
  ['GPU-hours', 'renderer/domain/a.ts', "'GPU-hours'"],
  ['a word that holds one', 'renderer/domain/a.ts', 'migrate(oxide)'],
])('%s is no fault', (_what, path, text) => {
  expect(planted(path, text)).toEqual([]);
});

test('an exception that nothing needs is a fault', () => {
  expect(planted('agent/src/gpu/backends.c', 'int a;')).toEqual([expect.stringContaining('no exception')]);
});
