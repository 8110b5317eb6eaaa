/** Terminals over real SSH: left alone while the link is away, and gone on with from the byte that is there. */
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { bytesOf } from '../../renderer/domain/terminal-text.ts';
import { TerminalStream } from '../../renderer/domain/terminal-stream.ts';
import { HOST, links, makeSlice, overEmbedded } from './support/breakable-link.ts';
import type { CoreHarness } from './support/core-harness.ts';
import { whyNoSshd } from './support/openssh.ts';
import { processesIn, requireBuilt } from './support/private-root.ts';
import { SshLab } from './support/ssh-lab.ts';

/** Lines that a shell counts while the link is there, away and there again: more than the window and less than the ring. */
const LINES = 6000;
const COUNTER = `i=0; while [ $i -lt ${String(LINES)} ]; do echo "line $i"; i=$((i+1)); [ $((i%100)) = 0 ] && sleep 0.05; done; echo do""ne\n`;

let lab: SshLab;
beforeAll(requireBuilt);
beforeEach(() => {
  lab = new SshLab();
});
afterEach(() => lab.end());

/** The window's own reading of one terminal, over a core and nothing drawn. */
class Viewer {
  text = '';
  readonly gaps: number[] = [];
  private readonly harness: CoreHarness;
  private readonly terminalId: string;
  private seen = 0;
  private readonly stream: TerminalStream;

  constructor(harness: CoreHarness, terminalId: string) {
    this.harness = harness;
    this.terminalId = terminalId;
    this.stream = new TerminalStream(
      {
        write: (bytes, done) => {
          this.text += Buffer.from(bytes).toString('latin1');
          done();
        },
        gap: (bytes) => this.gaps.push(bytes),
      },
      async (offset) => (await harness.request('terminal:ack', { hostId: HOST, terminalId, offset })).ok,
    );
  }

  attach(): Promise<null> {
    const { terminalId } = this;
    const offset = this.stream.ask();
    return this.harness.ask('terminal:attach', { hostId: HOST, terminalId, offset, columns: 80, rows: 24 });
  }

  async type(text: string): Promise<void> {
    const data = Buffer.from(text).toString('base64');
    await this.harness.ask('terminal:input', { hostId: HOST, terminalId: this.terminalId, data });
  }

  async shell(): Promise<number> {
    await this.type('echo shell $$ he""re\n');
    await this.sees(' here\r\n');
    return Number(/shell (\d+) here/.exec(this.text)?.[1]);
  }

  sees(text: string): Promise<true> {
    return this.harness.until(`${text} in the terminal`, () => {
      for (; this.seen < this.harness.terminalLog.length; this.seen += 1) {
        const message = this.harness.terminalLog[this.seen];
        if (message?.event === 'terminal:attached')
          this.stream.attached(message.data.offset, message.data.endOffset);
        if (message?.event === 'terminal:output')
          this.stream.output(message.data.offset, bytesOf(message.data.data));
      }
      return this.text.includes(text) || null;
    });
  }
}

async function opened(harness: CoreHarness): Promise<Viewer> {
  const sliceId = await makeSlice(harness);
  const { terminalId } = await harness.ask('terminal:open', { hostId: HOST, sliceId, columns: 80, rows: 24 });
  const viewer = new Viewer(harness, terminalId);
  await viewer.attach();
  await viewer.type('echo re""ady $TRANCHE_SLICES\n');
  await viewer.sees(`ready ${sliceId}`);
  return viewer;
}

describe.each(['openssh', 'embedded'] as const)('a terminal over the %s server', (server) => {
  it.skipIf(server === 'openssh' && whyNoSshd !== null)(
    'goes on while the connection is away, and has no hole and nothing twice when it is back',
    async () => {
      const { harness, pull, plugIn } = await links[server](lab);
      const viewer = await opened(harness);
      await viewer.type(COUNTER);
      await viewer.sees('line 500\r\n');
      pull();
      await harness.until('the link is away', () => harness.host(HOST).connection.kind !== 'live');
      await plugIn();
      await harness.untilConnection(HOST, 'live');
      await viewer.attach();
      await viewer.sees('done\r\n');
      expect(viewer.gaps).toEqual([]);
      const numbers = [...viewer.text.matchAll(/^line (\d+)\r$/gm)].map(([, number]) => Number(number));
      expect(numbers).toEqual(Array.from({ length: LINES }, (_, i) => i));
      const samples = harness.sampleLog.length;
      await harness.until('samples beside it', () => harness.sampleLog.length > samples);
    },
  );
});

describe('terminals through the core', () => {
  it('outlive it, are listed by the next one, and are closed', async () => {
    const { harness, root } = await overEmbedded(lab);
    const first = await opened(harness);
    await first.type('cd /; x=kept\n');
    const next = await harness.restart();
    await next.untilConnection(HOST, 'live');
    const list = await next.ask('terminal:list', { hostId: HOST });
    expect(list).toMatchObject([{ endedAtMs: null }]);
    const terminalId = list[0]?.terminalId ?? '';
    const viewer = new Viewer(next, terminalId);
    await viewer.attach();
    await viewer.type('echo "$x in $(pwd)"\n');
    await viewer.sees('kept in /\r\n');
    const shell = await viewer.shell();
    expect(await next.request('terminal:close', { hostId: HOST, terminalId, ifIdle: true })).toMatchObject({
      ok: true,
    });
    await next.until('its shell to end', () => !processesIn(root).includes(shell));
    await next.until('its end to be told', () =>
      next.terminalLog.find(({ event }) => event === 'terminal:ended'),
    );
    await next.ask('host:disconnect', { hostId: HOST });
    expect(await next.request('terminal:list', { hostId: HOST })).toMatchObject({
      error: { code: 'not-connected' },
    });
  });

  it('are closed when the agent is removed, and keep nothing of it', async () => {
    const { harness, root } = await overEmbedded(lab);
    const viewer = await opened(harness);
    const shell = await viewer.shell();
    expect(processesIn(root)).toContain(shell);
    await harness.ask('host:remove-agent', { hostId: HOST });
    expect(processesIn(root)).not.toContain(shell);
    expect(existsSync(join(root, 'bin'))).toBe(false);
    expect(existsSync(join(root, 'terminals', String(process.getuid?.())))).toBe(false);
  });

  it('end when their folder is taken away, because nobody can come back to them', async () => {
    const { harness, root } = await overEmbedded(lab);
    const shell = await (await opened(harness)).shell();
    rmSync(join(root, 'terminals'), { recursive: true });
    await harness.until('its shell to end', () => !processesIn(root).includes(shell));
  });
});

it('a terminal has the language of its user, not that of our scripts', async () => {
  const { harness } = await overEmbedded(lab);
  const sliceId = await makeSlice(harness);
  const { terminalId } = await harness.ask('terminal:open', { hostId: HOST, sliceId, columns: 80, rows: 24 });
  const viewer = new Viewer(harness, terminalId);
  await viewer.attach();
  await viewer.type('echo "LC_ALL is <$LC_ALL>, LANG is <$LANG>"\n');
  expect(await viewer.sees('LC_ALL is <>, LANG is <C.UTF-8>')).toBe(true);
});
