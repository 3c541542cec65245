// Test groups: unit and guard run anywhere; the others need namespaces, most of them root.
import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { JsonReporter } from 'vitest/node';
import { failureReporter } from './scripts/failure-reporter.ts';
import { LongestFirst } from './scripts/longest-first.ts';
import { privatePool } from './scripts/private-pool.mjs';

/** Limits are there to end what hangs, on a slow and busy machine as well; what promises a time measures it itself. */
const patient = { testTimeout: 120_000, hookTimeout: 120_000 } as const;
const slow = { pool: privatePool, testTimeout: 1_200_000, hookTimeout: 600_000 } as const;

/** What computes gives way to what says how long something takes. */
const giveWay = { setupFiles: ['scripts/give-way.ts'] };

const cores = availableParallelism();

/** Where `npm test` reads the results. */
const { MOAT_TEST_REPORT: report, MOAT_TEST_FAILURES: failures } = process.env;

export default defineConfig({
  test: {
    reporters: [
      'default',
      ...(report === undefined ? [] : [new JsonReporter({ outputFile: report })]),
      ...(failures === undefined ? [] : [failureReporter(failures)]),
    ],
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          name: 'unit',
          include: [
            'packages/*/src/**/*.test.ts',
            'packages/netfilter/test/**/*.test.ts',
            'test/unit/**/*.test.ts',
            'lab/**/*.test.ts',
          ],
          // One process for many files: starting one and loading what all of them need takes longer than most tests.
          pool: 'forks',
          isolate: false,
          maxWorkers: cores,
          ...patient,
          ...giveWay,
        },
      },
      {
        test: {
          name: 'guard',
          include: ['packages/guard/test/**/*.test.ts'],
          pool: 'forks',
          isolate: false,
          maxWorkers: cores,
          ...patient,
          ...giveWay,
        },
      },
      {
        test: {
          name: 'kernel',
          include: ['test/kernel/**/*.test.ts'],
          // They wait as well as compute.
          maxWorkers: cores + 1,
          ...slow,
          ...giveWay,
        },
      },
      { test: { name: 'timed', include: ['test/timed/**/*.test.ts'], maxWorkers: cores, ...slow } },
      { test: { name: 'docker', include: ['test/docker/**/*.test.ts'], fileParallelism: false, ...slow } },
      { test: { name: 'daemons', include: ['test/daemons/**/*.test.ts'], maxWorkers: cores, ...slow } },
      { test: { name: 'system', include: ['test/system/**/*.test.ts'], fileParallelism: false, ...slow } },
    ],
  },
});
