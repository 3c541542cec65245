// Are the rules in the kernel still those that were made from the policy in force?
import { type Table, tableDifferences } from '@moat/netfilter';
import { compileTable } from '../compile/table.ts';
import type { Docker } from '../kernel/docker.ts';
import type { Paths } from '../kernel/paths.ts';
import { readAppliedPolicy } from '../kernel/state.ts';
import { parsePolicyFile } from '../policy/file.ts';
import type { Services } from '../policy/services.ts';
import { containerLinks } from './container-links.ts';
import { compiledInto } from './live.ts';
import { knownAnswers } from './name-answers.ts';

/**
 * The chains and sets of the loaded table that say something else than the policy in force: somebody changed
 * them, or bridges came since that the rules would treat otherwise. Either way `moat reload` puts it right.
 */
export async function driftedObjects(
  paths: Paths,
  services: Services,
  loaded: Table,
  docker: Docker | undefined,
): Promise<string[]> {
  const applied = readAppliedPolicy(paths);
  const parsed = applied === undefined ? undefined : parsePolicyFile(applied, services, knownAnswers(paths));
  if (parsed === undefined || !parsed.ok) return [];
  const wanted = compileTable(compiledInto(parsed.file.policy, loaded), await containerLinks(docker));
  return tableDifferences(wanted, loaded).map(({ object }) => object);
}
