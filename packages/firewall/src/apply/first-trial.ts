// Before moat is enabled for the first time on a machine: does the way back work here?
import { release } from 'node:os';
import type { Paths } from '../kernel/paths.ts';
import { hasBootRules, readPending, readTried, writeTried } from '../kernel/state.ts';
import { listTable } from './listed.ts';
import { type SelfTest, testWayBack } from './self-test.ts';

/**
 * Tries it where it has not worked before on this kernel and moat is not in use. undefined: there is no need; files under
 * another root are no machine's own.
 */
export async function firstTrial(paths: Paths): Promise<SelfTest | undefined> {
  if (paths.root !== '' || readTried(paths) === release()) return undefined;
  if (hasBootRules(paths) || readPending(paths) !== undefined) return undefined;
  if ((await listTable()) !== undefined) return undefined;
  const tried = await testWayBack();
  if (tried.kind === 'passed') writeTried(paths, release());
  return tried;
}
