import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Sample } from '../../../model/sample.ts';
import type { Prompt } from '../../../model/model.ts';
import { Attempts } from '../../../electron/core/fleet/attempts.ts';
import { EAGER_LIMITS, retryDelayMs } from '../../../electron/core/fleet/backoff.ts';
import { Gate } from '../../../electron/core/fleet/gate.ts';
import { HostLink } from '../../../electron/core/fleet/host-link.ts';
import { HostPicture } from '../../../electron/core/fleet/host-picture.ts';
import { NetworkWatch, type NetworkView } from '../../../electron/core/fleet/network-watch.ts';
import { Prompter, PromptQueue } from '../../../electron/core/fleet/prompter.ts';
import { SampleBatcher } from '../../../electron/core/fleet/sample-batcher.ts';
import { JumpPool } from '../../../electron/core/ssh/jump-pool.ts';
import { SignIns } from '../../../electron/core/ssh/sign-ins.ts';
import { HostStore } from '../../../electron/core/hosts/host-store.ts';

describe('retryDelayMs', () => {
  const loss = { lostForMs: 0, attemptAgoMs: 0, laterAttempts: 0, random: 0 };

  it('tries twice a second for the first 30 s, then ever more slowly, never less than once a minute', () => {
    expect([0, 29_999].map((lostForMs) => retryDelayMs({ ...loss, lostForMs }))).toEqual([500, 500]);
    const later = [0, 1, 2, 3, 4, 400].map((laterAttempts) =>
      retryDelayMs({ ...loss, lostForMs: 30_000, laterAttempts }),
    );
    expect(later).toEqual([2000, 5000, 15_000, 60_000, 60_000, 60_000]);
  });

  it('counts the time that an attempt took, and never tries again in the same instant', () => {
    expect(retryDelayMs({ ...loss, attemptAgoMs: 300 })).toBe(200);
    expect(retryDelayMs({ ...loss, attemptAgoMs: 3_600_000 })).toBe(100);
    expect(retryDelayMs({ ...loss, lostForMs: 30_000, attemptAgoMs: 15_000 })).toBe(2000);
  });

  it('spreads hosts that were lost together, and makes none of them wait longer', () => {
    expect(retryDelayMs({ ...loss, random: 1 })).toBe(375);
    expect(retryDelayMs({ ...loss, lostForMs: 30_000, laterAttempts: 3, random: 0.5 })).toBe(52_500);
  });
});

describe('Attempts', () => {
  const failure = { code: 'connection-lost', message: 'gone', detail: null } as const;

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['Date'], now: 1_000_000 });
    vi.spyOn(Math, 'random').mockReturnValue(0);
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.restoreAllMocks();
  });

  it('waits for a host that was reached, or was open the last time, and not after a failure that stays', () => {
    const attempts = new Attempts();
    attempts.restart(false);
    expect(attempts.isWorthAnother(failure)).toBe(false);
    attempts.reached();
    expect(attempts.isWorthAnother(failure)).toBe(true);
    expect(attempts.isWorthAnother({ ...failure, code: 'host-key-changed' })).toBe(false);
    const restored = new Attempts();
    restored.restart(true);
    expect(restored.isWorthAnother(failure)).toBe(true);
  });

  it('is eager for 30 s after the loss, then ever less, and eager again with another network', () => {
    const attempts = new Attempts();
    attempts.restart(false);
    attempts.begin();
    expect(attempts.limits).toBe(null); // nothing was lost yet: there is time
    attempts.live();
    expect(attempts.next()).toEqual({ attempt: 0, delayMs: 500, atMs: 1_000_500 });
    expect(attempts.limits).toEqual(EAGER_LIMITS);
    vi.setSystemTime(1_030_000);
    expect(attempts.limits).toBe(null);
    attempts.begin();
    expect(attempts.next().delayMs).toBe(5000);
    attempts.begin();
    expect(attempts.next()).toMatchObject({ attempt: 2, delayMs: 15_000 });
    attempts.networkChanged();
    expect(attempts.limits).toEqual(EAGER_LIMITS);
    expect(attempts.next().delayMs).toBe(500);
  });

  it('is not eager with a host that lets in and ends it, nor with one that is there for moments only', () => {
    const attempts = new Attempts();
    attempts.restart(true);
    attempts.begin();
    expect(attempts.sawNothing()).toBe(true);
    attempts.inVain();
    expect(attempts.next().delayMs).toBeGreaterThanOrEqual(2000);
    const flapping = new Attempts();
    flapping.restart(true);
    const delays = Array.from({ length: 20 }, (_, n) => {
      flapping.begin();
      flapping.live();
      vi.setSystemTime(2_000_000 + n * 2_000);
      return flapping.next().delayMs;
    });
    expect(Math.min(...delays)).toBeLessThan(1000);
    expect(delays.at(-1)).toBeGreaterThanOrEqual(2000);
    // There for long enough, and lost again: eager again.
    flapping.begin();
    flapping.live();
    vi.setSystemTime(3_000_000);
    expect(flapping.next().delayMs).toBeLessThan(1000);
  });

  it('counts anew once the agent is followed, and not when a host without one was only looked at', () => {
    const attempts = new Attempts();
    attempts.restart(false);
    attempts.begin();
    attempts.found();
    expect([attempts.isLost, attempts.next().attempt, attempts.isLost]).toEqual([false, 1, true]);
    attempts.live();
    expect([attempts.isLost, attempts.next().attempt]).toEqual([false, 0]);
  });
});

describe('Gate', () => {
  it('lets no more than its width pass at a time, and goes on after a failure', async () => {
    const gate = new Gate(2);
    let inside = 0;
    let most = 0;
    const work = async (n: number) => {
      inside += 1;
      most = Math.max(most, inside);
      await Promise.resolve();
      inside -= 1;
      if (n === 1) throw new Error('one fails');
      return n;
    };
    const results = await Promise.allSettled([0, 1, 2, 3, 4].map((n) => gate.pass(() => work(n))));
    expect(results.map((result) => result.status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
      'fulfilled',
      'fulfilled',
    ]);
    expect(most).toBe(2);
  });
});

describe('Gate', () => {
  it('lets another in while somebody steps aside', async () => {
    const gate = new Gate(1);
    const order: string[] = [];
    let answer = (): void => undefined;
    const first = gate.pass(async (stepAside) => {
      order.push('first asks');
      await stepAside(() => new Promise<void>((resolve) => (answer = resolve)));
      order.push('first goes on');
    });
    await gate.pass(() => Promise.resolve(order.push('second')));
    answer();
    await first;
    expect(order).toEqual(['first asks', 'second', 'first goes on']);
  });

  it('keeps its width when somebody is given up while he waits', async () => {
    const gate = new Gate(1);
    let goOn = (): void => undefined;
    let waiting: Promise<unknown> = Promise.resolve();
    await gate.pass((stepAside) => {
      waiting = stepAside(() => new Promise<void>((resolve) => (goOn = resolve)));
      return Promise.resolve(); // what it waited for is not awaited any more
    });
    goOn();
    await waiting;
    let inside = 0;
    let most = 0;
    const work = async () => {
      inside += 1;
      most = Math.max(most, inside);
      await Promise.resolve();
      inside -= 1;
    };
    await Promise.all([gate.pass(work), gate.pass(work)]);
    expect(most).toBe(1);
  });

  it('is not opened wider by somebody who asks after having passed', async () => {
    const gate = new Gate(1);
    const later = await gate.pass((stepAside) => Promise.resolve({ stepAside }));
    let inside = 0;
    let most = 0;
    const work = async () => {
      inside += 1;
      most = Math.max(most, inside);
      await later.stepAside(() => Promise.resolve());
      inside -= 1;
    };
    await Promise.all([gate.pass(work), gate.pass(work), gate.pass(work)]);
    expect(most).toBe(1);
  });
});

describe('Prompter', () => {
  const open = () => {
    const shown: (Prompt | null)[] = [];
    const prompter = new Prompter({ show: (prompt) => shown.push(prompt) });
    return { prompter, shown, last: () => shown.at(-1) ?? null };
  };
  const answerLast = (to: ReturnType<typeof open>, answers: readonly string[] | null) =>
    to.prompter.answer(to.last()?.promptId ?? '', answers);
  const asker = { machine: 'mira@hopper', hostName: 'hopper', isJump: false };
  const password = { ...asker, user: 'mira', banner: null };
  const byKeyboard = (text: string, more: object = {}) => ({
    ...asker,
    round: 1,
    name: '',
    instructions: '',
    questions: [{ text, echo: false }],
    ...more,
  });

  it('sends a secret to no other machine, whatever it asks', async () => {
    const p = open();
    p.prompter.beginAttempt();
    const first = p.prompter.keyboard(byKeyboard('Password: '));
    expect(p.last()).toMatchObject({ kind: 'keyboard', hostName: 'hopper', isJump: false });
    answerLast(p, ['hopper-secret']);
    await first;
    p.prompter.signedIn('mira@hopper');
    p.prompter.beginAttempt();
    const gate = p.prompter.keyboard(byKeyboard('Password: ', { machine: 'mira@gate', hostName: 'gate' }));
    expect(p.last()).toMatchObject({ hostName: 'gate' });
    answerLast(p, null);
    expect(await gate).toBeNull();
    const byMethod = p.prompter.password({ ...password, machine: 'mira@gate' });
    expect(p.last()).toMatchObject({ kind: 'password' });
    answerLast(p, null);
    expect(await byMethod).toBeNull();
    expect(await p.prompter.keyboard(byKeyboard('Password: '))).toEqual(['hopper-secret']);
  });

  it('keeps nothing of a machine that asks twice in the same words', async () => {
    const p = open();
    p.prompter.beginAttempt();
    for (const [round, answer] of [
      [1, 'secret'],
      [2, '123456'],
    ] as const) {
      const asked = p.prompter.keyboard(byKeyboard('Password: ', { round }));
      answerLast(p, [answer]);
      expect(await asked).toEqual([answer]);
    }
    p.prompter.signedIn(asker.machine);
    p.prompter.beginAttempt();
    const again = p.prompter.keyboard(byKeyboard('Password: '));
    expect(p.last()).not.toBeNull();
    answerLast(p, null);
    expect(await again).toBeNull();
  });

  it('keeps no code that is asked for after a password of the other method', async () => {
    const p = open();
    p.prompter.beginAttempt();
    const first = p.prompter.password(password);
    answerLast(p, ['secret']);
    await first;
    p.prompter.answersAccepted(asker.machine);
    const code = p.prompter.keyboard(byKeyboard('Password: '));
    answerLast(p, ['123456']);
    await code;
    p.prompter.signedIn(asker.machine);
    p.prompter.beginAttempt();
    expect(await p.prompter.password(password)).toBe('secret');
    p.prompter.answersAccepted(asker.machine);
    const again = p.prompter.keyboard(byKeyboard('Password: '));
    expect(p.last()).not.toBeNull();
    answerLast(p, null);
    expect(await again).toBeNull();
  });

  it('keeps an answer only if it worked, and one that did not work twice never again', async () => {
    const p = open();
    const attempt = async (answer: string, worked: boolean) => {
      p.prompter.beginAttempt();
      const asked = p.prompter.keyboard(byKeyboard('Password: '));
      answerLast(p, [answer]);
      const [said] = (await asked) ?? [];
      if (worked) p.prompter.signedIn(asker.machine);
      else p.prompter.answersRefused(asker.machine);
      return said;
    };
    expect(await attempt('wrong', false)).toBe('wrong');
    expect(await attempt('111111', true)).toBe('111111');
    // A code after all, asked for as a password: one login is refused, and no more.
    expect(await attempt('unused', false)).toBe('111111');
    expect(await attempt('222222', true)).toBe('222222');
    expect(await attempt('333333', true)).toBe('333333');
  });

  it('asks once, remembers for a reconnect, and asks again after it failed', async () => {
    const p = open();
    p.prompter.beginAttempt();
    const first = p.prompter.password(password);
    expect(answerLast(p, ['secret'])).toBe(true);
    expect(await first).toBe('secret');
    expect(p.last()).toBeNull();
    p.prompter.signedIn(asker.machine);
    p.prompter.beginAttempt();
    expect(await p.prompter.password(password)).toBe('secret');
    const again = p.prompter.password(password);
    expect(p.last()).toMatchObject({ kind: 'password' });
    answerLast(p, null);
    expect(await again).toBeNull();
  });

  it('takes an answer only for the question that is open', async () => {
    const p = open();
    const asked = p.prompter.hostKey({ hostName: 'h', keyType: 't', fingerprint: 'f', isJump: false });
    expect(p.prompter.answer('another', ['remember'])).toBe(false);
    expect(answerLast(p, ['nonsense'])).toBe(true);
    expect(await asked).toBeNull();
    expect(answerLast(p, ['once'])).toBe(false);
  });
});

describe('PromptQueue', () => {
  const two = () => {
    const queue = new PromptQueue();
    const shown: string[] = [];
    const host = (name: string) => {
      let last: Prompt | null = null;
      const prompter = new Prompter(
        {
          show: (prompt) => {
            last = prompt;
            if (prompt) shown.push(name);
          },
          waiting: () => shown.push(`${name} waits`),
        },
        queue,
      );
      return {
        prompter,
        answer: (text: string | null) => prompter.answer(last?.promptId ?? '', text === null ? null : [text]),
      };
    };
    return { shown, a: host('a'), b: host('b'), c: host('c') };
  };
  const key = { keyFile: '/home/mira/.ssh/id_ed25519' };
  const asker = { machine: 'mira@hopper', hostName: 'hopper', isJump: false, round: 1 };

  it('asks one question at a time over all hosts, and one passphrase once', async () => {
    const { shown, a, b, c } = two();
    const first = a.prompter.passphrase(key);
    const second = b.prompter.passphrase(key);
    const third = c.prompter.keyboard({
      ...asker,
      name: '',
      instructions: '',
      questions: [{ text: 'Code', echo: true }],
    });
    expect(shown).toEqual(['a', 'b waits', 'c waits']);
    a.answer('open');
    expect(await first).toBe('open');
    expect(await second).toBe('open');
    await vi.waitFor(() => {
      expect(shown).toEqual(['a', 'b waits', 'c waits', 'c']);
    });
    c.answer('123');
    expect(await third).toEqual(['123']);
  });

  it('passes over a host that was cancelled while it waited, and asks again for a wrong passphrase', async () => {
    const { shown, a, b, c } = two();
    const first = a.prompter.passphrase(key);
    const second = b.prompter.passphrase({ keyFile: 'another' });
    const third = c.prompter.passphrase(key);
    b.prompter.cancel();
    a.answer('wrong');
    expect(await first).toBe('wrong');
    a.prompter.refused(key);
    expect(await second).toBeNull();
    await vi.waitFor(() => {
      expect(shown.at(-1)).toBe('c');
    });
    c.answer('right');
    expect(await third).toBe('right');
  });

  it('remembers a password that is asked by keyboard-interactive, and no code', async () => {
    const { a } = two();
    const password = {
      ...asker,
      name: '',
      instructions: '',
      questions: [{ text: '(mira@hopper) Password: ', echo: false }],
    };
    const code = {
      ...asker,
      name: '',
      instructions: '',
      questions: [{ text: 'Verification code: ', echo: false }],
    };
    const asked = a.prompter.keyboard(password);
    a.answer('pw');
    expect(await asked).toEqual(['pw']);
    a.prompter.signedIn(asker.machine);
    a.prompter.beginAttempt();
    expect(await a.prompter.keyboard(password)).toEqual(['pw']);
    const once = a.prompter.keyboard(code);
    a.answer('123456');
    expect(await once).toEqual(['123456']);
    a.prompter.signedIn(asker.machine);
    a.prompter.beginAttempt();
    const again = a.prompter.keyboard(code);
    a.answer('654321');
    expect(await again).toEqual(['654321']);
  });
});

describe('HostLink', () => {
  it('tells a fault of ours instead of connecting for ever', async () => {
    const events = { id: 'ssh:h', name: 'h', source: 'ssh-config', onChange: () => undefined } as const;
    const picture = new HostPicture(events);
    const options = {
      id: 'ssh:h',
      name: 'h',
      resolve: () => Promise.reject(new Error('boom')),
      gate: new Gate(1),
      prompts: new PromptQueue(),
      jumps: new JumpPool(),
      signIns: new SignIns(),
      onNotice: () => undefined,
    };
    const user = { opened: () => Promise.reject(new Error('never')), closed: () => undefined };
    const link = new HostLink(options, picture, user);
    link.connect();
    await vi.waitFor(() => {
      expect(picture.connection).toMatchObject({ kind: 'failed', failure: { code: 'internal' } });
    });
  });
});

describe('NetworkWatch', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('tells of a new address and of a sleep, and of nothing else, while somebody waits', () => {
    let view: NetworkView = { nowMs: 0, addresses: ['10.0.0.5'] };
    let told = 0;
    const watch = new NetworkWatch(
      () => (told += 1),
      () => view,
    );
    const later = (ms: number, addresses = view.addresses) => {
      view = { nowMs: view.nowMs + ms, addresses };
      vi.advanceTimersByTime(1000);
      return told;
    };
    expect(later(1000, ['10.0.0.5', '10.0.0.6'])).toBe(0); // nobody waits
    watch.set(true);
    expect(later(1000)).toBe(0);
    expect(later(1000, [])).toBe(0);
    expect(later(1000, ['192.168.1.7'])).toBe(1);
    expect(later(3_600_000)).toBe(2);
    watch.set(true); // as before: what was seen last still counts
    expect(later(1000, ['192.168.1.8'])).toBe(3);
    watch.set(false);
    expect(later(3_600_000, ['10.0.0.5'])).toBe(3);
  });
});

describe('SampleBatcher', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('sends one message a tick with the newest sample of each host', () => {
    const sent: unknown[] = [];
    const batcher = new SampleBatcher((batch) =>
      sent.push(batch.map(({ hostId, sample }) => [hostId, sample.seq])),
    );
    const sample = (seq: number): Sample => ({
      seq,
      atMs: 0,
      gpus: [],
      slices: [],
      processes: [],
      processesOmitted: 0,
    });
    batcher.add('a', sample(1));
    batcher.add('b', sample(7));
    batcher.add('a', sample(2));
    vi.runAllTimers();
    expect(sent).toEqual([
      [
        ['a', 2],
        ['b', 7],
      ],
    ]);
  });
});

describe('HostStore', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'host-store-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it('keeps what was saved, the last of many writes winning', async () => {
    const store = new HostStore(folder);
    expect(await store.load()).toBeNull();
    await Promise.all(
      [1, 2, 3].map((n) =>
        store.update((hosts) => ({ ...hosts, typed: [...hosts.typed, `host${String(n)}`] })),
      ),
    );
    const again = new HostStore(folder);
    expect(await again.load()).toBeNull();
    expect(again.hosts.typed).toEqual(['host1', 'host2', 'host3']);
  });

  it('keeps a damaged file aside and says so', async () => {
    writeFileSync(join(folder, 'hosts.json'), '{"version":1,"typed":["a"');
    const store = new HostStore(folder);
    expect(await store.load()).toMatch(/hosts\.json\.broken/);
    expect(readFileSync(join(folder, 'hosts.json.broken'), 'utf8')).toContain('"a"');
    expect(store.hosts.typed).toEqual([]);
  });

  it('loses no change of another program that uses the same file', async () => {
    const [a, b] = [new HostStore(folder), new HostStore(folder)];
    await a.load();
    await b.load();
    const add = (store: HostStore, name: string) =>
      store.update((hosts) => ({ ...hosts, typed: [...hosts.typed, name] }));
    await add(a, 'one');
    await add(b, 'two');
    await Promise.all(['c', 'd', 'e', 'f', 'g', 'h'].map((name, n) => add(n % 2 === 0 ? a : b, name)));
    const again = new HostStore(folder);
    await again.load();
    expect([...again.hosts.typed].sort()).toEqual(['c', 'd', 'e', 'f', 'g', 'h', 'one', 'two']);
    expect([...a.hosts.typed].sort()).toEqual(expect.arrayContaining(['one', 'two', 'c']));
    expect(readdirSync(folder)).toEqual(['hosts.json']);
  });

  it('goes on over a lock that a killed program has left', async () => {
    const lock = join(folder, 'hosts.json.lock');
    writeFileSync(lock, '');
    utimesSync(lock, 1, 1);
    await new HostStore(folder).update((hosts) => ({ ...hosts, typed: ['a'] }));
    expect(existsSync(lock)).toBe(false);
  });

  it.each([
    [
      'more hidden hosts than were ever thought of',
      { hidden: Array.from({ length: 3000 }, (_, n) => `h${n}`) },
    ],
    ['more open ones', { open: Array.from({ length: 3000 }, (_, n) => `ssh:h${n}`) }],
    ['an id beyond its bound', { open: ['ssh:a', `typed:${'x'.repeat(400)}`] }],
    ['a host beyond its bound', { typed: ['a', 'y'.repeat(400)] }],
  ])('reads back what it has written: %s', async (_label, more) => {
    const store = new HostStore(folder);
    await store.update((hosts) => ({ ...hosts, typed: ['mira@x'], ...more }));
    const again = new HostStore(folder);
    expect(await again.load()).toBeNull();
    expect(again.hosts.typed.length).toBeGreaterThan(0);
    if ('hidden' in more) expect(again.hosts.hidden).toHaveLength(3000);
  });

  it.each([
    ['["mira@x",""]', ['mira@x']],
    ['["-oProxyCommand=x","a b","mira@x","mira@x",7]', ['mira@x']],
    ['"mira@x"', []],
  ])('takes what it can of %s, keeps the file aside, and says so', async (typed, expected) => {
    const text = `\ufeff{"version":1,"typed":${typed},"hidden":["h"],"open":["ssh:a"],"transports":{"ssh:a":"system"}}`;
    writeFileSync(join(folder, 'hosts.json'), text);
    const store = new HostStore(folder);
    expect(await store.load()).toMatch(/could not be read and were left out/);
    expect(store.hosts).toEqual({
      typed: expected,
      hidden: ['h'],
      open: ['ssh:a'],
      transports: { 'ssh:a': 'system' },
    });
    expect(readFileSync(join(folder, 'hosts.json.broken'), 'utf8')).toBe(text);
  });

  it('starts although a damaged file cannot be kept aside under its name', async () => {
    writeFileSync(join(folder, 'hosts.json'), '{bad');
    mkdirSync(join(folder, 'hosts.json.broken'));
    expect(await new HostStore(folder).load()).toMatch(/hosts\.json\.broken-\d+/);
    // A file that cannot even be read is not written over.
    mkdirSync(join(folder, 'hosts.json'));
    const store = new HostStore(folder);
    expect(await store.load()).toMatch(/nothing is saved/);
    await expect(store.update((hosts) => hosts)).rejects.toThrow(/cannot be read/);
  });

  it('rejects when the disk refuses', async () => {
    writeFileSync(join(folder, 'file'), '');
    await expect(new HostStore(join(folder, 'file')).update((hosts) => hosts)).rejects.toThrow();
  });
});
