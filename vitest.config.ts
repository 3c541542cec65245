// Test groups: unit runs anywhere in seconds; kernel, docker and system need root and namespaces.
import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { JsonReporter } from 'vitest/node';
import { failureReporter } from './scripts/failure-reporter.ts';
import { privatePool } from './scripts/private-pool.mjs';

const slow = { pool: privatePool, testTimeout: 120_000, hookTimeout: 180_000 } as const;

/** What makes the machine busy: after the others of the group. */
const ALONE = ['window', 'parallel', 'kill', 'fault-matrix'].map((name) => `test/kernel/${name}.test.ts`);

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
          // Properties try thousands of cases; on a busy machine that takes longer than vitest's five seconds.
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: 'kernel',
          include: ['test/kernel/**/*.test.ts'],
          exclude: [...ALONE],
          // They wait more than they compute.
          maxWorkers: availableParallelism() + 1,
          ...slow,
        },
      },
      {
        test: {
          name: 'kernel-alone',
          include: [...ALONE],
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
