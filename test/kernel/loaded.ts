// The table in a machine's kernel, and the one that a policy's text means.
import { readFileSync } from 'node:fs';
import { readNftJson, type Table, tableDifferences } from '@moat/netfilter';
import type { Machine } from '../../lab/machine.ts';
import { NO_LINKS } from '../../packages/firewall/src/compile/container-links.ts';
import { compileTable } from '../../packages/firewall/src/compile/table.ts';
import { parsePolicyFile } from '../../packages/firewall/src/policy/file.ts';
import { parseServices } from '../../packages/firewall/src/policy/services.ts';

const SERVICES = parseServices(readFileSync('/etc/services', 'utf8'));

/** `inet moat` as the kernel lists it; undefined: there is none. */
export async function loadedTable(machine: Machine): Promise<Table | undefined> {
  const listed = await machine.run('nft', ['-j', 'list', 'table', 'inet', 'moat']);
  if (listed.code !== 0) return undefined;
  return readNftJson(JSON.parse(listed.stdout)).tables[0];
}

/** Whether a set of `inet moat` has it now. */
export async function isElement(machine: Machine, set: string, element: string): Promise<boolean> {
  const words = ['get', 'element', 'inet', 'moat', set, `{ ${element} }`];
  return (await machine.run('nft', words)).code === 0;
}

/** The table that a policy file means on a machine without containers. */
export function tableOf(text: string): Table {
  const parsed = parsePolicyFile(text, SERVICES);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return compileTable(parsed.file.policy, NO_LINKS);
}

/** Whether the two say the same; counters and what packets put into sets do not count. */
export function sameTable(a: Table | undefined, b: Table | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return tableDifferences(a, b).length === 0;
}
