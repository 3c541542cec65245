import type { PoolRunnerInitializer } from 'vitest/node';

export const privatePool: PoolRunnerInitializer;
