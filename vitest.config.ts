import { defineConfig } from 'vitest/config';

/** Integration and end-to-end tests start real processes; each wait inside them has its own, shorter bound. */
const SLOW_TEST_TIMEOUT_MS = 120_000;
/** Most take milliseconds; a machine that is busy with something else may stop one for seconds. */
const UNIT_TEST_TIMEOUT_MS = 30_000;
/** How long a test asks again: what holds is seen at once, and on a busy machine it may take this long to come. */
const POLL_TIMEOUT_MS = 15_000;
/** A bench watches for minutes, or as long as it is told to, and does other things besides. */
const BENCH_TIMEOUT_MS = 15 * 60_000 + Number(process.env['TRANCHE_FLEET_WATCH_MS'] ?? 0);

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/{model,electron,renderer,scripts}/**/*.test.{ts,tsx}'],
          environment: 'node',
          testTimeout: UNIT_TEST_TIMEOUT_MS,
        },
      },
      {
        test: {
          name: 'agent',
          include: ['test/agent/**/*.test.ts'],
          expect: { poll: { timeout: POLL_TIMEOUT_MS } },
          testTimeout: SLOW_TEST_TIMEOUT_MS,
          hookTimeout: SLOW_TEST_TIMEOUT_MS,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          expect: { poll: { timeout: POLL_TIMEOUT_MS } },
          testTimeout: SLOW_TEST_TIMEOUT_MS,
          hookTimeout: SLOW_TEST_TIMEOUT_MS,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'bench',
          include: ['test/bench/**/*.bench.ts'],
          testTimeout: BENCH_TIMEOUT_MS,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          expect: { poll: { timeout: POLL_TIMEOUT_MS } },
          testTimeout: SLOW_TEST_TIMEOUT_MS,
          hookTimeout: SLOW_TEST_TIMEOUT_MS,
          fileParallelism: false,
        },
      },
    ],
  },
});
