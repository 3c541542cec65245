// Test groups: unit runs anywhere in seconds; kernel, docker and system need root and namespaces.
import { defineConfig } from 'vitest/config';

const slow = { pool: 'forks', fileParallelism: false, testTimeout: 120_000, hookTimeout: 180_000 } as const;

export default defineConfig({
  test: {
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
          // Properties try thousands of cases; on a busy machine that takes longer than vitest's five seconds.
          testTimeout: 30_000,
        },
      },
      { test: { name: 'kernel', include: ['test/kernel/**/*.test.ts'], ...slow } },
      { test: { name: 'docker', include: ['test/docker/**/*.test.ts'], ...slow } },
      { test: { name: 'daemons', include: ['test/daemons/**/*.test.ts'], ...slow } },
      { test: { name: 'system', include: ['test/system/**/*.test.ts'], ...slow } },
    ],
  },
});
