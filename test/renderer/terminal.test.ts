import { describe, expect, it } from 'vitest';
import { ACK_BYTES, TerminalStream } from '../../renderer/domain/terminal-stream.ts';
import {
  bytesOf,
  cleanPaste,
  cleanTitle,
  linkAddress,
  pastedLines,
  piecesOf,
  stateSentence,
} from '../../renderer/domain/terminal-text.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A screen that shows what it was given when it is told to. */
function made(heard: () => boolean = () => true) {
  const seen: string[] = [];
  const acks: number[] = [];
  const waiting: (() => void)[] = [];
  const stream = new TerminalStream(
    {
      write: (part, done) => {
        seen.push(new TextDecoder().decode(part));
        waiting.push(done);
      },
      gap: (missing) => seen.push(`<${String(missing)}>`),
    },
    (offset) => {
      acks.push(offset);
      return Promise.resolve(heard());
    },
  );
  const draw = (): void => {
    for (const done of waiting.splice(0)) done();
  };
  return { stream, seen, acks, draw };
}

describe('what a terminal says', () => {
  it('comes once and in order, also after the link was away', () => {
    const { stream, seen } = made();
    expect(stream.ask()).toBeNull();
    stream.attached(0, 0);
    stream.output(0, bytes('abc'));
    stream.output(3, bytes('def'));
    expect(stream.ask()).toBe(6);
    stream.output(6, bytes('of the link before')); // it was under way, and will come again
    stream.attached(6, 30);
    stream.output(6, bytes('ghi'));
    stream.output(4, bytes('efghi')); // all of it is there
    stream.output(7, bytes('hijk')); // some of it is
    expect(seen).toEqual(['abc', 'def', 'ghi', 'jk']);
  });

  it('shows a gap where something is no longer kept', () => {
    const { stream, seen } = made();
    stream.ask();
    stream.attached(1000, 1000);
    stream.output(1000, bytes('a'));
    stream.output(1500, bytes('b'));
    expect(seen).toEqual(['<1000>', 'a', '<499>', 'b']);
  });

  it('does not hear what another window asked for', () => {
    const { stream, seen } = made();
    stream.attached(0, 0);
    stream.output(0, bytes('not ours'));
    stream.ask();
    stream.attached(0, 0);
    stream.output(0, bytes('ours'));
    stream.attached(0, 4); // the other one asked again, from the beginning
    stream.output(0, bytes('ours'));
    stream.output(4, bytes('!'));
    expect(seen).toEqual(['ours', '!']);
  });

  it('is acknowledged when it is on the screen, one word at a time', async () => {
    const { stream, acks, draw } = made();
    stream.ask();
    stream.attached(0, 0);
    stream.output(0, new Uint8Array(ACK_BYTES));
    expect(acks).toEqual([]);
    draw();
    stream.output(ACK_BYTES, new Uint8Array(2 * ACK_BYTES));
    draw();
    expect(acks).toEqual([ACK_BYTES]);
    await Promise.resolve();
    await Promise.resolve();
    expect(acks).toEqual([ACK_BYTES, 3 * ACK_BYTES]);
  });

  it('asks again after a word that was not heard', async () => {
    let heard = false;
    const { stream, acks, draw } = made(() => heard);
    stream.ask();
    stream.attached(0, 0);
    stream.output(0, new Uint8Array(ACK_BYTES));
    draw();
    await Promise.resolve();
    await Promise.resolve();
    heard = true;
    stream.output(ACK_BYTES, new Uint8Array(1));
    draw();
    expect(acks).toEqual([ACK_BYTES, ACK_BYTES + 1]);
  });

  it('is a replay up to where it was when we came: nothing of that is answered', () => {
    const { stream, draw } = made();
    expect(stream.replaying).toBe(true);
    stream.ask();
    stream.attached(0, 3);
    stream.output(0, bytes('abc'));
    expect(stream.replaying).toBe(true);
    draw();
    expect(stream.replaying).toBe(false);
    stream.ask();
    stream.attached(3, 90); // what came while the link was away was never answered
    expect(stream.replaying).toBe(false);
  });
});

describe('text of terminals', () => {
  it('takes a title for one line of plain text', () => {
    expect(cleanTitle(' a\u001b[31m\u202eb\u200b\nc\u2028 ')).toBe('a[31mbc');
    expect(Array.from(cleanTitle('€'.repeat(500)))).toHaveLength(120);
  });

  it('pastes text and no keys', () => {
    expect(cleanPaste('a\tb\r\nc\u001b[201~\u0003\u009bd€')).toBe('a\tb\r\nc[201~d€');
    expect(['a', 'a\n', 'a\r\n\r\n', 'a\nb', 'a\r\nb\r\n', '\n\na'].map(pastedLines)).toEqual([
      1, 1, 1, 2, 2, 3,
    ]);
  });

  it.each([
    ['https://a.example/x?y#z', 'https://a.example/x?y#z'],
    ['http://bücher.example', 'http://xn--bcher-kva.example/'],
    ['javascript:alert(1)', null],
    ['file:///etc/passwd', null],
    ['ssh://host', null],
    [' \u0001javascript:alert(1)', null],
    ['nothing', null],
  ])('of the link %j tells %j', (text, address) => {
    expect(linkAddress(text)).toBe(address);
  });

  it('carries bytes in pieces that a request takes', () => {
    const all = Uint8Array.from({ length: 10_000 }, (_, i) => i % 256);
    const pieces = piecesOf(all);
    expect(pieces.every((piece) => bytesOf(piece).length <= 4096)).toBe(true);
    expect(pieces.flatMap((piece) => [...bytesOf(piece)])).toEqual([...all]);
  });

  it.each([
    [{ kind: 'live' } as const, null],
    [{ kind: 'ended', exitCode: 3, signal: null } as const, 'The shell ended with 3.'],
    [{ kind: 'ended', exitCode: null, signal: 9 } as const, 'The shell was ended by SIGKILL.'],
    [{ kind: 'ended', exitCode: null, signal: 31 } as const, 'The shell was ended by signal 31.'],
  ])('says of %j: %j', (state, sentence) => {
    expect(stateSentence(state, 'hopper')).toBe(sentence);
  });
});
