/**
 * Ways around a limit, tried in a slice whose programs are behind the gate: the real agent, filter, supervisor and kernel;
 * /dev/null and /dev/zero stand for the driver's devices. The program asks for memory by hand, so that no library of ours
 * has a say (gate_requester.c). docs/security.md has the table that these are cells of.
 */
import { execFileSync, spawnSync, type ChildProcess } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Client, GIB, hasShim, hasSim, TestHost, until, type Root } from './agent_process.ts';
import { sampleWith } from './events.ts';
import { addStandIns, isGatePossible } from './gate_host.ts';

const MIB = 1024 ** 2;
const NOBODY = 65534;
/** 600 fit below 1 GiB, 600 more do not; what is freed does. One letter each: y granted, n refused. */
const ASKS = ['a:1:600', 'a:2:600', 'f:1', 'a:3:600'];
const HELD = 'ynyy';
const DEVICES = ['/dev/null', '/dev/zero'];
const NAMESPACES = ['unshare', '--user', '--map-root-user', '--mount', '--pid', '--net', '--ipc', '--fork'];

const isRoot = process.getuid?.() === 0;
const hasNamespaces = spawnSync('unshare', ['--user', '--map-root-user', 'true']).status === 0;

let host: TestHost;
let root: Root;
let requester: string;
let atBin: (name: string) => string;

beforeEach(() => {
  host = new TestHost();
  root = host.root;
  addStandIns(root);
  atBin = host.openToOthers();
  requester = join(root.path, 'requester');
  for (const file of ['requester', 'requester-static']) {
    if (existsSync(join(built, file))) copyFileSync(join(built, file), join(root.path, file));
  }
});

afterEach(() => host.end());

let built: string;
beforeAll(() => {
  built = execFileSync('mktemp', ['-d'], { encoding: 'utf8' }).trim();
  const source = join(import.meta.dirname, 'gate_requester.c');
  const compile = (out: string, ...more: readonly string[]): void => {
    execFileSync('gcc', [
      '-std=gnu11',
      '-O1',
      ...more,
      `-I${import.meta.dirname}`,
      source,
      '-o',
      join(built, out),
      '-lpthread',
    ]);
  };
  compile('requester');
  compile('requester-static', '-static');
  return () => execFileSync('rm', ['-r', built]);
});

class Asking {
  readonly child: ChildProcess;
  text = '';

  constructor(words: readonly string[], gate = '--gate', uid: number | null = null) {
    this.child = host.run('one', words, {
      bin: atBin('tranche'),
      stdio: ['pipe', 'pipe', 'inherit'],
      options: [gate],
      ...(uid === null ? {} : { uid }),
    });
    this.child.stdout?.setEncoding('utf8').on('data', (more: string) => (this.text += more));
  }

  says = (text: string): Promise<true> =>
    until(text, () => this.text.includes(text) || null).catch((error: unknown) => {
      throw new Error(`it said “${this.text}”`, { cause: error });
    });
}

async function open(owner?: string): Promise<Client> {
  await host.start({ bin: atBin('tranche') });
  const client = await Client.open(root);
  expect(
    await client.create({ memoryLimitBytes: GIB, ...(owner === undefined ? {} : { owner }) }),
  ).toMatchObject({
    ok: true,
  });
  execFileSync('chmod', ['-R', 'a+rw', root.env['TRANCHE_SIM_DIR'] ?? '']);
  await client.ask('subscribe', { sampleIntervalMs: 100 });
  return client;
}

/** The asking program by each way: words that come before its own, or instead of its path. */
const WAYS: Readonly<Record<string, () => readonly string[]>> = {
  'unset LD_PRELOAD': () => ['env', '-u', 'LD_PRELOAD', requester],
  'a static program': () => [`${requester}-static`],
  'requests by hand': () => [requester],
  'forged variables and folders': () => {
    const fake = join(root.path, 'fake');
    for (const folder of ['policy', 'usage']) mkdirSync(join(fake, folder), { recursive: true });
    return [
      'env',
      'TRANCHE_SLICES=s-0000000000000000',
      `TRANCHE_RUNTIME_DIR=${fake}`,
      'TRANCHE_GATED=0',
      'TRANCHE_DISABLE=1',
      `TRANCHE_ROOT=${fake}`,
      requester,
    ];
  },
  'a library of its own before ours': () => {
    const library = join(root.path, 'libtranche.so');
    writeFileSync(
      `${library}.c`,
      '#include <sys/syscall.h>\n#include <unistd.h>\nint ioctl(int fd, unsigned long request, void *at) { return (int)syscall(SYS_ioctl, fd, request, at); }\n',
    );
    execFileSync('gcc', ['-shared', '-fPIC', '-o', library, `${library}.c`]);
    return ['env', `LD_PRELOAD=${library}`, requester];
  },
  'env -i': () => ['env', '-i', requester],
  'namespaces of its own': () => [...NAMESPACES, requester],
};

const held = async (client: Client, words: readonly string[]): Promise<void> => {
  const one = new Asking([...words, ...DEVICES, ...ASKS, 'w']);
  await one.says(HELD);
  const { slices } = await sampleWith(client, ({ slices: [slice] }) => (slice?.deniedAllocations ?? 0) > 0);
  expect(slices[0]).toMatchObject({ deniedAllocations: 1, deniedBytes: 600 * MIB });
  expect(slices[0]?.memoryUsedBytes).toBeLessThanOrEqual(GIB);
  one.child.stdin?.end('x');
};

describe.skipIf(!hasSim || !hasShim || !isGatePossible)('behind the gate', () => {
  test.each(Object.keys(WAYS).filter((way) => hasNamespaces || !way.startsWith('namespaces')))(
    'is held: %s',
    async (way) => {
      const client = await open();
      await held(client, WAYS[way]?.() ?? []);
      client.close();
    },
  );

  test('is held: a daemon that outlives what started it', async () => {
    const client = await open();
    const one = new Asking(['setsid', '--fork', requester, ...DEVICES, ...ASKS]);
    await one.says(`${HELD}.`);
    client.close();
  });

  test('and without it is not: requests by hand', async () => {
    const client = await open();
    const one = new Asking([requester, ...DEVICES, ...ASKS, 'w'], '--no-gate');
    await one.says('yyyy');
    one.child.stdin?.end('x');
    client.close();
  });

  test.skipIf(!isRoot)('is held: a program that is another user’s by its set-user-ID bit', async () => {
    const client = await open('nobody');
    chmodSync(requester, 0o4755); // root's
    const one = new Asking(
      ['sh', '-c', `id -u; exec ${[requester, ...DEVICES, ...ASKS, 'w'].join(' ')}`],
      '--gate',
      NOBODY,
    );
    await one.says(`${String(NOBODY)}\n`);
    await one.says(HELD);
    one.child.stdin?.end('x');
    client.close();
  });

  test.skipIf(!isRoot)('is held: a container with devices of its own', async () => {
    const client = await open();
    const inside = join(root.path, 'container');
    mkdirSync(join(inside, 'dev'), { recursive: true });
    copyFileSync(`${requester}-static`, join(inside, 'program'));
    execFileSync('mknod', [join(inside, 'dev/nvidiactl'), 'c', '1', '3']);
    execFileSync('mknod', [join(inside, 'dev/nvidia0'), 'c', '1', '5']);
    const words = [
      'unshare',
      '--mount',
      '--pid',
      '--net',
      '--ipc',
      '--uts',
      '--cgroup',
      '--fork',
      'chroot',
      inside,
    ];
    const one = new Asking([...words, '/program', '/dev/nvidiactl', '/dev/nvidia0', ...ASKS, 'w']);
    await one.says(HELD);
    one.child.stdin?.end('x');
    client.close();
  });

  test('is held: Vulkan’s and OpenGL’s requests, of the heap', async () => {
    const client = await open();
    const one = new Asking([requester, ...DEVICES, 'h:1:600', 'h:2:600', 'H:1', 'h:3:600', 'w']);
    await one.says(HELD);
    one.child.stdin?.end('x');
    client.close();
  });

  test('is held: managed memory', async () => {
    const client = await open();
    const one = new Asking([requester, ...DEVICES, 'a:1:1', 'v:1:600', 'v:2:600', 'U:1', 'v:3:600', 'w']);
    await one.says(`y${HELD.replace('ynyy', 'yny')}`);
    one.child.stdin?.end('x');
    client.close();
  });
});
