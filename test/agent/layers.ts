/**
 * Which layer holds which way around a limit, and the test that shows it: the table of docs/security.md, as data.
 * test/scripts/layers.test.ts keeps the page equal to it, and looks that each test and mutation is there.
 */

export const LAYERS = ['shim', 'gate', 'kernel’s limit', 'door'] as const;

/**
 * contained: refused; seen: gets it, and is shown, named and answered by rule; missed: gets it, and of it nothing is known
 * beyond the sum of the card; open: not this layer's matter.
 */
export type Verdict = 'contained' | 'seen' | 'missed' | 'open' | 'untried';

export interface Cell {
  readonly verdict: Verdict;
  /** `file › part of the title`, below test/agent; none where there is nothing to test. */
  readonly test?: string;
  /** Id in mutations.json: with the layer out, this test was seen to fail. */
  readonly mutation?: string;
}

export interface Way {
  readonly way: string;
  readonly cells: readonly [Cell, Cell, Cell, Cell];
}

const cell = (verdict: Verdict, test?: string, mutation?: string): Cell => ({
  verdict,
  ...(test === undefined ? {} : { test }),
  ...(mutation === undefined ? {} : { mutation }),
});

const bypass = cell('seen', 'escapes.test.ts › escapes, and is seen');
const untried = cell('untried');
const gate = (test: string): Cell =>
  cell('contained', test, test.startsWith('gate.') ? 'gate run: behind it' : 'ways around: gate');
const byHand = gate('ways_around.test.ts › is held: %s');
const byLibrary = gate('gate.test.ts › the limit holds, contexts included, for a program that comes by %s');
const kernel = cell('contained', 'ways_around_kernel.test.ts › is held: %s', 'ways around: kernel');
const bare = cell(
  'contained',
  'kernel_limit.test.ts › a program without our library is refused at the limit',
  'kernel limit: inside',
);
const door = cell('contained', 'door.test.ts › however it was started', 'ways around: door');

/** In the last column: the same, started outside of every slice. */
export const WAYS_AROUND: readonly Way[] = [
  { way: '`LD_PRELOAD` unset', cells: [bypass, byLibrary, kernel, door] },
  { way: 'a static program', cells: [bypass, byHand, untried, door] },
  { way: '`RTLD_DEEPBIND`', cells: [bypass, byLibrary, bare, door] },
  { way: '`dlmopen`', cells: [bypass, byLibrary, bare, door] },
  { way: 'requests by hand (`ioctl`)', cells: [bypass, byHand, untried, door] },
  { way: 'forged `TRANCHE_*`, a runtime folder of its own', cells: [bypass, byHand, kernel, door] },
  { way: 'a library of its own by `LD_PRELOAD`', cells: [bypass, byHand, kernel, door] },
  {
    way: 'a set-user-ID program',
    cells: [
      bypass,
      gate('ways_around.test.ts › is held: a program that is another user’s by its set-user-ID bit'),
      bare,
      door,
    ],
  },
  { way: 'mount, PID and user namespaces', cells: [bypass, byHand, kernel, door] },
  {
    way: 'a container with nodes of its own',
    cells: [bypass, gate('ways_around.test.ts › is held: a container with devices of its own'), kernel, door],
  },
  { way: '`env -i`', cells: [bypass, byLibrary, kernel, door] },
  {
    way: 'cron, at',
    cells: [
      cell('seen', 'escapes_watch.test.ts › a program on a GPU is named by both, and told once'),
      cell('open'),
      cell('open'),
      cell(
        'contained',
        'door.test.ts › as the child of a daemon that has left its session, as cron’s and at’s are',
        'ways around: door',
      ),
    ],
  },
  {
    way: 'ssh, su, sudo',
    cells: [
      cell('seen', 'escapes_watch.test.ts › a program on a GPU is named by both, and told once'),
      cell('open'),
      cell('open'),
      door,
    ],
  },
  {
    way: 'Vulkan',
    cells: [
      bypass,
      gate('ways_around.test.ts › is held: Vulkan’s and OpenGL’s requests, of the heap'),
      untried,
      door,
    ],
  },
  {
    way: 'OpenGL',
    cells: [
      bypass,
      gate('ways_around.test.ts › is held: Vulkan’s and OpenGL’s requests, of the heap'),
      untried,
      door,
    ],
  },
  {
    way: 'managed memory',
    cells: [
      cell('contained', 'paths_test.c › managed'),
      gate('ways_around.test.ts › is held: managed memory'),
      cell('missed', 'kernel_limit.test.ts › managed memory is not counted by it'),
      door,
    ],
  },
  {
    way: 'a hostile thread that exchanges a request',
    cells: [
      bypass,
      cell(
        'seen',
        'escapes_beyond.test.ts › a gated program that holds more than was counted is one, too',
        'escapes: beyond',
      ),
      untried,
      door,
    ],
  },
];
