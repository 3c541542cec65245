// Test groups: unit runs anywhere in seconds; kernel, docker and system need root and namespaces.
import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { JsonReporter } from 'vitest/node';
import { failureReporter } from './scripts/failure-reporter.ts';
import { privatePool } from './scripts/private-pool.mjs';

/** Limits are there to end what hangs, on a slow and busy machine as well; what promises a time measures it itself. */
const slow = { pool: privatePool, testTimeout: 1_200_000, hookTimeout: 600_000 } as const;

const kernelTests = (...names: readonly string[]): string[] =>
  names.map((name) => `test/kernel/${name}.test.ts`);

/** What says how long something takes or lasts: the others give way to it, as many as they are. */
const TIMED = kernelTests(
  ...['ban', 'boot-ladder', 'daemon', 'deny-ends-flows', 'lock', 'lockout', 'names', 'panic', 'peer-confirm'],
  ...['session-ends', 'temporary', 'ufw-defects/ssh', 'way-back-trials'],
);

/** What makes the machine busy, however much it gives way: after the others of the group. */
const ALONE = kernelTests('window', 'parallel', 'kill', 'fault-matrix');

/** The tests of a kernel wait more than they compute. */
const SIDE_BY_SIDE = availableParallelism() + 1;

/** Where `npm test` reads the results. */
const { MOAT_TEST_REPORT: report, MOAT_TEST_FAILURES: failures } = process.env;

export default defineConfig({
  test: {
    reporters: [
      'default',
      ...(report === undefined ? [] : [new JsonReporter({ outputFile: report })]),
      ...(failures === undefined ? [] : [failureReporter(failures)]),
    ],
    projects: [
      {
        test: {
          name: 'unit',
          include: [
            'packages/*/src/**/*.test.ts',
            'packages/*/test/**/*.test.ts',
            'test/unit/**/*.test.ts',
            'lab/**/*.test.ts',
          ],
          // One process for many files: starting one and loading what all of them need takes longer than most tests.
          pool: 'forks',
          isolate: false,
          maxWorkers: availableParallelism(),
          // Properties try thousands of cases.
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'kernel',
          include: ['test/kernel/**/*.test.ts'],
          exclude: [...TIMED, ...ALONE],
          maxWorkers: SIDE_BY_SIDE,
          setupFiles: ['test/kernel/give-way.ts'],
          ...slow,
        },
      },
      { test: { name: 'kernel-timed', include: TIMED, maxWorkers: SIDE_BY_SIDE, ...slow } },
      {
        test: {
          name: 'kernel-alone',
          include: ALONE,
          maxWorkers: availableParallelism(),
          sequence: { groupOrder: 1 },
          ...slow,
        },
      },
      { test: { name: 'docker', include: ['test/docker/**/*.test.ts'], fileParallelism: false, ...slow } },
      {
        test: {
          name: 'daemons',
          include: ['test/daemons/**/*.test.ts'],
          maxWorkers: availableParallelism(),
          ...slow,
        },
      },
      { test: { name: 'system', include: ['test/system/**/*.test.ts'], fileParallelism: false, ...slow } },
    ],
  },
});
