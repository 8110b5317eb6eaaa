/** Terminals for real: holders, shells, connections. What must hold whoever goes away when. */
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  terminalAttachReplySchema,
  terminalEndedEventSchema,
  terminalListReplySchema,
  terminalOpenReplySchema,
  terminalOutputEventSchema,
} from '../../model/agent-protocol.ts';
import {
  AttachedProcess,
  binDir,
  Client,
  endAllIn,
  goldenLines,
  hasSim,
  isRoot,
  livingIn,
  NOBODY,
  TestHost,
  until,
  workload,
  type Line,
  type Root,
} from './agent_process.ts';

const RING_BYTES = 256 * 1024;
const WINDOW_BYTES = 64 * 1024;

let host: TestHost;
let root: Root;
let sliceId: string;

beforeEach(async () => {
  host = new TestHost();
  root = host.root;
  root.env['PS1'] = '$ ';
  await host.start();
  const client = await Client.open(root);
  sliceId = (await client.create())['sliceId'] as string;
  client.close();
});

afterEach(() => host.end(() => endAllIn(root)));

/** A connection that looks at one terminal as the window does: it acknowledges what it has, unless told not to. */
class Looking extends AttachedProcess {
  text = '';
  /** Where what it has ends. */
  at = 0;
  readonly gaps: { readonly from: number; readonly to: number }[] = [];
  acknowledges = true;
  ended: Line | null = null;

  constructor(command?: readonly string[], ids?: { uid: number; gid: number }) {
    super(root, command, ids);
    host.keep(this.child);
    this.onLine = (line) => {
      // Of the answer to looking from where there is something: output may follow in the same piece.
      if ('skippedBytes' in line) this.at = line['offset'] as number;
      if (line['ev'] === 'terminal-ended') this.ended = terminalEndedEventSchema.parse(line);
      if (line['ev'] !== 'terminal-output') return;
      const { terminalId, offset, data } = terminalOutputEventSchema.parse(line);
      const bytes = Buffer.from(data, 'base64');
      if (offset < this.at) throw new Error(`${offset} came twice`);
      if (offset > this.at) this.gaps.push({ from: this.at, to: offset });
      this.at = offset + bytes.length;
      this.text += bytes.toString('latin1');
      if (this.acknowledges) this.send('terminal-ack', { terminalId, offset: this.at });
    };
  }

  async open(columns = 80, rows = 24): Promise<string> {
    const reply = await this.ask('terminal-open', { sliceId, columns, rows });
    return terminalOpenReplySchema.parse(reply).terminalId;
  }

  async look(terminalId: string, offset: number | null = null) {
    return terminalAttachReplySchema.parse(await this.ask('terminal-attach', { terminalId, offset }));
  }

  async type(terminalId: string, text: string): Promise<void> {
    const data = Buffer.from(text).toString('base64');
    expect(await this.ask('terminal-input', { terminalId, data })).toMatchObject({ ok: true });
  }

  async list() {
    return terminalListReplySchema.parse(await this.ask('terminal-list')).terminals;
  }

  sees(text: string | RegExp): Promise<true> {
    return until(`${String(text)} after ${JSON.stringify(this.text.slice(-300))}`, () =>
      typeof text === 'string' ? this.text.includes(text) || null : text.test(this.text) || null,
    );
  }
}

/** One that is open, with a shell that stands. */
async function opened(): Promise<{ viewer: Looking; id: string }> {
  const viewer = new Looking();
  const id = await viewer.open();
  await viewer.look(id);
  await viewer.type(id, 'echo re""ady\n');
  await viewer.sees('ready\r\n');
  return { viewer, id };
}

const folders = () => join(root.path, 'root/terminals', String(process.getuid?.()));
const holderOf = (id: string): number =>
  livingIn(root).find((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`hold\0${id}`)) ?? 0;
const ended = (pid: number) => until(`process ${pid} to end`, () => !existsSync(`/proc/${pid}`));
const gone = (id: string) => until(`the folder of ${id} to go`, () => !existsSync(join(folders(), id)));

describe.skipIf(!hasSim)('a terminal', () => {
  test('is a login shell in the slice, with what is typed echoed and a size', async () => {
    const { viewer, id } = await opened();
    await viewer.type(id, 'echo "in $TRANCHE_SLICES; $TERM"; stty size; tty; pwd\n');
    await viewer.sees(`in ${sliceId}; xterm-256color\r\n24 80\r\n/dev/pts/`);
    await viewer.sees(`${root.path}\r\n`);
    expect(viewer.text).toContain('echo "in'); // the echo of the terminal itself
    expect(await viewer.ask('terminal-resize', { terminalId: id, columns: 133, rows: 41 })).toMatchObject({
      ok: true,
    });
    await viewer.type(id, 'stty size\n');
    await viewer.sees('41 133\r\n');
    expect(statSync(join(folders(), id)).mode & 0o777).toBe(0o700);
    expect(await viewer.list()).toMatchObject([{ terminalId: id, sliceId, endedAtMs: null, exitCode: null }]);
  });

  test('limits what is started in it', async () => {
    const { viewer, id } = await opened();
    const client = await Client.open(root);
    await client.ask('subscribe', { sampleIntervalMs: 60000 });
    await viewer.type(id, `${workload} greedy --seconds 20\n`);
    expect(await client.event('notice', (line) => line['code'] === 'denied')).toMatchObject({ sliceId });
    await viewer.type(id, '\u0003'); // Ctrl+C reaches it through the terminal
    await viewer.type(id, 'echo af""ter\n');
    await viewer.sees('after\r\n');
    client.close();
  });

  test('says how its shell ended, and keeps its last screen until it is closed', async () => {
    const { viewer, id } = await opened();
    await viewer.type(id, 'echo la""st; exit 3\n');
    await until('its end', () => viewer.ended);
    expect(viewer.ended).toMatchObject({ terminalId: id, exitCode: 3, signal: null });
    expect(viewer.text).toMatch(/last\r\n((logout|exit)\r\n)?$/); // nothing of it is missing
    expect(await viewer.ask('terminal-input', { terminalId: id, data: 'eA==' })).toMatchObject({
      code: 'terminal-ended',
    });
    const second = new Looking();
    expect(await second.list()).toMatchObject([
      { terminalId: id, exitCode: 3, endedAtMs: expect.any(Number) },
    ]);
    await second.look(id);
    await second.sees('last\r\n');
    await until('its end, told again', () => second.ended);
    expect(await second.ask('terminal-close', { terminalId: id })).toMatchObject({ ok: true });
    await gone(id);
    expect(await second.list()).toEqual([]);
  });

  test('says so in the terminal when the slice is not to be had', async () => {
    const viewer = new Looking();
    const reply = await viewer.ask('terminal-open', { sliceId: 's-0000000000000000', columns: 80, rows: 24 });
    const id = reply['terminalId'] as string;
    await viewer.look(id);
    await until('its end', () => viewer.ended);
    expect(viewer.ended).toMatchObject({ exitCode: 125 });
    expect(viewer.text).toContain(
      'tranche: there is no slice “s-0000000000000000”'.replace(/[“”]/g, (c) =>
        Buffer.from(c).toString('latin1'),
      ),
    );
  });

  test('outlives the connection and the agent, and goes on from the byte that one has', async () => {
    const { viewer, id } = await opened();
    await viewer.type(
      id,
      'i=0; while [ $i -lt 3000 ]; do echo "n$i"; i=$((i+1)); [ $((i%100)) = 0 ] && sleep 0.02; done; echo do""ne\n',
    );
    await viewer.sees('n500\r\n');
    viewer.child.kill('SIGKILL');
    await ended(viewer.child.pid ?? 0);
    await host.agent?.stop('SIGKILL');
    await host.start();
    const again = new Looking();
    again.text = viewer.text;
    expect(await again.look(id, viewer.at)).toMatchObject({ offset: viewer.at, skippedBytes: 0 });
    await again.sees('done\r\n');
    expect(again.gaps).toEqual([]);
    const numbers = [...again.text.matchAll(/^n(\d+)\r$/gm)].map(([, number]) => Number(number));
    expect(numbers).toEqual(Array.from({ length: 3000 }, (_, i) => i));
  });

  test('keeps the last 256 KiB for who was away, and shows what is missing as a gap', async () => {
    const { viewer, id } = await opened();
    const at = viewer.at;
    await viewer.type(
      id,
      'sleep 0.3; head -c 900000 /dev/zero | tr "\\\\0" x; echo; echo do""ne > "$HOME/done"; echo al""l\n',
    );
    viewer.child.kill('SIGKILL'); // nobody looks: nobody is waited for
    await until('the program to end', () => existsSync(join(root.path, 'done')));
    const again = new Looking();
    const reply = await again.look(id, at);
    expect(reply.skippedBytes).toBeGreaterThan(500_000);
    expect(reply.offset).toBe(at + reply.skippedBytes);
    await again.sees('all\r\n');
    expect(again.text.length).toBeGreaterThanOrEqual(RING_BYTES - 4096);
    expect(again.text.length).toBeLessThan(RING_BYTES + 4096);
  });

  test(
    'holds the program up for one who looks and does not acknowledge, and not for ever',
    { timeout: 40_000 },
    async () => {
      const { viewer, id } = await opened();
      const before = viewer.at;
      viewer.acknowledges = false;
      await viewer.type(id, 'head -c 400000 /dev/zero | tr "\\\\0" x; echo done > "$HOME/done"\n');
      await until('the window to be full', () => viewer.at - before > WINDOW_BYTES - 4096);
      const from = Date.now();
      await until('two seconds', () => Date.now() - from > 2000);
      expect(existsSync(join(root.path, 'done'))).toBe(false);
      expect(viewer.at - before).toBeLessThanOrEqual(WINDOW_BYTES);
      // Another one sees it standing too, and may type; who is silent for ten seconds is waited for no longer.
      await until('the program to end without it', () => existsSync(join(root.path, 'done')), 15_000);
      expect(viewer.at - before).toBeLessThanOrEqual(WINDOW_BYTES);
      // It comes back, and sees that it missed something.
      viewer.acknowledges = true;
      await viewer.ask('terminal-ack', { terminalId: id, offset: viewer.at });
      await viewer.type(id, 'echo ba""ck\n');
      await viewer.sees('back\r\n');
      expect(viewer.gaps).toHaveLength(1);
    },
  );

  test('is closed with a hang-up, and by force after the grace', { timeout: 20_000 }, async () => {
    const { viewer, id } = await opened();
    await viewer.type(
      id,
      `exec sh -c 'trap "echo hup > $HOME/hup" HUP; echo st""ands $$; while :; do sleep 0.1; done'\n`,
    );
    await viewer.sees(/stands \d+\r\n/);
    const shell = Number(/stands (\d+)/.exec(viewer.text)?.[1]);
    const from = Date.now();
    expect(await viewer.ask('terminal-close', { terminalId: id })).toMatchObject({ ok: true });
    await until('the hang-up', () => existsSync(join(root.path, 'hup')));
    expect(existsSync(`/proc/${shell}`)).toBe(true);
    await ended(shell);
    expect(Date.now() - from).toBeGreaterThan(4500);
    await until('its end', () => viewer.ended);
    expect(viewer.ended).toMatchObject({ exitCode: null, signal: 9 });
    await gone(id);
  });

  test('is not closed while a program runs in front, unless one insists', { timeout: 20_000 }, async () => {
    const { viewer, id } = await opened();
    // One that does not end by a hang-up, and whose shell does.
    await viewer.type(id, `sh -c 'trap "" HUP; echo pid $$ he""re; while :; do sleep 0.1; done'\n`);
    await viewer.sees(/pid \d+ here/);
    const program = Number(/pid (\d+) here/.exec(viewer.text)?.[1]);
    const refused = await viewer.ask('terminal-close', { terminalId: id, ifIdle: true });
    expect(refused).toMatchObject({
      ok: false,
      code: 'terminal-busy',
      message: expect.stringMatching(/^sh runs in it/),
    });
    expect(existsSync(`/proc/${program}`)).toBe(true);
    expect(await viewer.ask('terminal-close', { terminalId: id })).toMatchObject({ ok: true });
    await ended(program);
    await gone(id);
    const idle = await opened();
    expect(await idle.viewer.ask('terminal-close', { terminalId: idle.id, ifIdle: true })).toMatchObject({
      ok: true,
    });
    await gone(idle.id);
  });

  test('whose holder was killed is said to have ended, nobody knows how, and leaves nothing', async () => {
    const { viewer, id } = await opened();
    await viewer.type(id, 'echo sh""ell $$\n');
    await viewer.sees(/shell \d+/);
    const shell = Number(/shell (\d+)/.exec(viewer.text)?.[1]);
    process.kill(holderOf(id), 'SIGKILL');
    await until('its end', () => viewer.ended);
    expect(viewer.ended).toMatchObject({ terminalId: id, exitCode: null, signal: null });
    await ended(shell); // the kernel hangs up
    expect(await viewer.ask('terminal-input', { terminalId: id, data: 'eA==' })).toMatchObject({
      code: 'unknown-terminal',
    });
    expect(existsSync(join(folders(), id))).toBe(true);
    expect(await viewer.list()).toEqual([]);
    expect(existsSync(join(folders(), id))).toBe(false);
  });

  test(
    'is shown to several, and each may type; there are at most 16 of them',
    { timeout: 30_000 },
    async () => {
      const { viewer, id } = await opened();
      const second = new Looking();
      await second.look(id);
      await second.type(id, 'echo bo""th\n');
      await Promise.all([viewer.sees('both\r\n'), second.sees('both\r\n')]);
      for (let i = 1; i < 16; i += 1) await viewer.open();
      expect(await viewer.ask('terminal-open', { sliceId, columns: 80, rows: 24 })).toMatchObject({
        ok: false,
        code: 'too-many-terminals',
      });
      expect(readdirSync(folders())).toHaveLength(16);
      await viewer.ask('terminal-close', { terminalId: id });
      await gone(id);
      await viewer.open();
    },
  );

  test('without end leaves the agent’s samples their place, and Ctrl+C is felt', async () => {
    const { viewer, id } = await opened();
    await viewer.ask('subscribe', { sampleIntervalMs: 100 });
    await viewer.type(id, 'yes $(seq 1000)\n');
    const samples = () => viewer.lines.filter((line) => line['ev'] === 'sample').length;
    const [from, before, at] = [Date.now(), samples(), viewer.at];
    await until('three seconds', () => Date.now() - from > 3000);
    const [seconds, bytes] = [(Date.now() - from) / 1000, viewer.at - at];
    expect(bytes).toBeGreaterThan(500_000);
    // 2 MiB of lines a second, three quarters of which are output, and a quarter MiB at once.
    expect(bytes).toBeLessThan((2 * seconds + 0.25) * 1024 * 1024);
    expect(samples() - before).toBeGreaterThan(15);
    await viewer.type(id, '\u0003');
    await viewer.type(id, 'echo af""ter\n');
    await viewer.sees('after\r\n');
  });

  test('takes what is typed ahead, up to a bound', async () => {
    const { viewer, id } = await opened();
    await viewer.type(id, 'stty -echo -icanon; echo qui""et; sleep 60\n');
    await viewer.sees('quiet\r\n');
    const data = Buffer.alloc(3000, 'x').toString('base64');
    const replies: Line[] = [];
    for (let i = 0; i < 40; i += 1)
      replies.push(await viewer.ask('terminal-input', { terminalId: id, data }));
    expect(replies[10]).toMatchObject({ ok: true });
    expect(replies.at(-1)).toMatchObject({ ok: false, code: 'busy' });
    expect(await viewer.list()).toHaveLength(1);
  });

  test('the golden requests', async () => {
    const viewer = new Looking();
    let terminal = '';
    for (const { name, line, expect: wanted } of goldenLines('terminals.jsonl')) {
      const {
        op,
        id: _,
        ...fields
      } = JSON.parse(
        (line as string).replaceAll('$SLICE', sliceId).replaceAll('$TERMINAL', terminal),
      ) as Line;
      const reply = await viewer.ask(op as string, fields);
      expect([name, reply['ok'] === true ? 'ok' : reply['code']]).toEqual([name, wanted]);
      if (op === 'terminal-open' && reply['ok'] === true) terminal = reply['terminalId'] as string;
    }
  });

  test('an older attach in front of this agent is told what it needs', async () => {
    const client = await Client.open(root);
    expect(await client.ask('terminal-open', { sliceId, columns: 80, rows: 24 })).toMatchObject({
      code: 'upgrade-needed',
    });
    client.close();
  });
});

describe.skipIf(!hasSim || !isRoot)('between two users', () => {
  test('nobody sees, lists or closes a terminal of somebody else, and a folder that stands open changes nothing', async () => {
    mkdirSync(join(root.path, 'bin'));
    for (const file of ['tranche', 'libtranche.so'])
      copyFileSync(join(binDir, file), join(root.path, 'bin', file));
    const { viewer, id } = await opened();
    chmodSync(root.path, 0o755);
    execFileSync('chmod', ['-R', 'go+rwX', root.path]);
    // As if the other one's own place were ours.
    execFileSync('ln', ['-s', String(process.getuid?.()), join(root.path, 'root/terminals', String(NOBODY))]);
    const other = new Looking([join(root.path, 'bin/tranche'), 'attach', 'x'], { uid: NOBODY, gid: NOBODY });
    for (const op of ['terminal-attach', 'terminal-close', 'terminal-input'])
      expect(await other.ask(op, { terminalId: id, data: 'eA==' })).toMatchObject({
        code: 'unknown-terminal',
      });
    // Nor by speaking to the socket itself.
    const script = `import socket,sys
s=socket.socket(socket.AF_UNIX,socket.SOCK_SEQPACKET); s.connect(sys.argv[1])
try: s.send(b'{"id":1,"op":"terminal-attach"}'); print(s.recv(100))
except OSError as e: print(b'')`;
    const said = execFileSync('python3', ['-c', script, join(folders(), id, 'socket')], {
      uid: NOBODY,
      gid: NOBODY,
      encoding: 'utf8',
    });
    expect(said).toBe("b''\n");
    await viewer.type(id, 'echo st""ill\n');
    await viewer.sees('still\r\n');
  });
});
