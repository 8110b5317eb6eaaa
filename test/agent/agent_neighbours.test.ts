/** What each slice's policy page says of the other slices on its GPU: all of them, after every edit, whoever edits. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Client, GIB, GPU0, hasSim, TestHost } from './agent_process.ts';

/** Offsets and word layout of agent/common/region.h. */
const BOARD_SLOT_AT = 68;
const NEIGHBOURS_AT = 248;
const LINES = 63;
const PRIORITY = { idle: 0, normal: 1, high: 2 } as const;

type Priority = keyof typeof PRIORITY;
type Terms = { limit: number; guarantee: number; priority: Priority };

let host: TestHost;

beforeEach(() => {
  host = new TestHost();
});

afterEach(() => host.end());

function page(id: string): { line: number; others: Map<number, string> } {
  const data = readFileSync(join(host.root.path, 'root/run/policy', id));
  const others = new Map<number, string>();
  for (let line = 0; line < LINES; line++) {
    const word = data.readBigUInt64LE(NEIGHBOURS_AT + line * 8);
    const part = (from: bigint, bits: bigint): number => Number((word >> from) & ((1n << bits) - 1n));
    if (word !== 0n)
      others.set(line, `${String(part(32n, 14n))} ${String(part(46n, 14n))} ${String(part(60n, 2n))}`);
  }
  return { line: data.readUInt32LE(BOARD_SLOT_AT), others };
}

const words = (terms: Terms): string =>
  `${String(terms.limit * 100)} ${String(terms.guarantee * 100)} ${String(PRIORITY[terms.priority])}`;

/** Every page holds every other slice, on that slice's own line, with the terms that it has now. */
function expectIntroduced(slices: Map<string, Terms>): void {
  const lines = new Map([...slices].map(([id, terms]) => [page(id).line, words(terms)]));
  expect(lines.size).toBe(slices.size);
  for (const id of slices.keys()) {
    const { line, others } = page(id);
    const expected = [...lines].filter(([at]) => at !== line).sort(([a], [b]) => a - b);
    expect([...others]).toEqual(expected);
  }
}

describe.skipIf(!hasSim)('neighbours', () => {
  test('all are known to all, with their terms: after a create, an edit, a delete, an undo and a restart', async () => {
    await host.start();
    let client = await Client.open(host.root);
    const slices = new Map<string, Terms>();
    for (let at = 0; at < 6; at++) {
      const terms: Terms = { limit: 20 + at, guarantee: at, priority: at === 4 ? 'high' : 'normal' };
      const reply = await client.ask('slice-create', {
        gpuUuid: GPU0,
        memoryLimitBytes: GIB,
        computeLimitPercent: terms.limit,
        computeGuaranteePercent: terms.guarantee,
        priority: terms.priority,
        name: `n${String(at)}`,
      });
      slices.set(String(reply['sliceId']), terms);
      expectIntroduced(slices);
    }
    const [first, , third] = [...slices.keys()] as [string, string, string];
    await client.ask('slice-resize', { sliceId: first, computeLimitPercent: 90, priority: 'idle' });
    slices.set(first, { limit: 90, guarantee: 0, priority: 'idle' });
    expectIntroduced(slices);
    const gone = slices.get(third);
    const deleted = await client.ask('slice-delete', { sliceId: third, revision: 1 });
    expect(deleted).toMatchObject({ ok: true });
    slices.delete(third);
    expectIntroduced(slices);
    expect(await client.ask('undo', { undoToken: deleted['undoToken'] })).toMatchObject({ ok: true });
    if (gone) slices.set(third, gone);
    expectIntroduced(slices);
    client.close();
    await host.agent?.stop('SIGKILL');
    await host.start();
    client = await Client.open(host.root);
    expectIntroduced(slices);
    client.close();
  });
});
