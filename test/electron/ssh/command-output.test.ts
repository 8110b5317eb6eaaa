import { PassThrough, type Duplex } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { awaitCommand } from '../../../electron/core/ssh/command-output.ts';
import { ok } from '../../../model/errors.ts';

const MIB = 1 << 20;

function channelOf(): Duplex & { stderr: PassThrough } {
  return Object.assign(new PassThrough(), { stderr: new PassThrough() });
}

describe('a command', () => {
  it('is kept up to 1 MiB, with a word about the rest, and seen whole as it comes', async () => {
    const channel = channelOf();
    let seen = 0;
    const options = { timeoutMs: 10_000, onStdout: (text: string) => (seen += text.length) };
    const result = awaitCommand(channel, 'hopper', options, 'end', (out) => ok({ ...out, code: 0 }));
    for (let i = 0; i < 12; i++) channel.write('x'.repeat(MIB / 4));
    channel.stderr.end('careful');
    channel.end();
    const settled = await result;
    expect(seen).toBe(3 * MIB);
    if (!settled.ok) throw new Error(settled.error.message);
    expect(settled.value.stdout.replace(/^x+/, '')).toBe('\n(more was printed than is kept)\n');
    expect(settled.value.stdout.match(/^x+/)?.[0].length).toBe(MIB);
    expect(settled.value.stderr).toBe('careful');
  });

  it('that does not end is cut off, and its last words are told', async () => {
    const channel = channelOf();
    channel.stderr.write('waiting for a lock');
    const settled = await awaitCommand(channel, 'hopper', { timeoutMs: 50 }, 'close', (out) =>
      ok({ ...out, code: 0 }),
    );
    expect(settled).toMatchObject({
      ok: false,
      error: { code: 'timed-out', detail: 'waiting for a lock' },
    });
    expect(channel.destroyed).toBe(true);
  });
});
