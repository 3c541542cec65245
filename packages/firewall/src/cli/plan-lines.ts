// The PLAN lines before a change of the whole: what of all that listens opens, closes and stays.
import { readListeners } from '../kernel/listeners.ts';
import { nftHasTable } from '../kernel/nft.ts';
import { readAppliedPolicy, readPolicyText } from '../kernel/state.ts';
import { emptyPolicyText, parsePolicyFile } from '../policy/file.ts';
import { liveAt } from '../policy/live.ts';
import type { Policy } from '../policy/model.ts';
import { answeringText, type Reach, reachOf } from '../report/reach.ts';
import { table } from '../report/table.ts';
import type { Context } from './context.ts';

/** Empty where nothing listens, nothing changes, or the policy has mistakes (which the change itself tells). */
export async function planLines(context: Context): Promise<string[]> {
  const { paths, services } = context;
  const now = Math.floor(Date.now() / 1000);
  const read = (text: string): Policy | undefined => {
    const parsed = parsePolicyFile(text, services);
    return parsed.ok ? liveAt(parsed.file.policy, now) : undefined;
  };
  const text = readPolicyText(paths) ?? emptyPolicyText();
  const applied = readAppliedPolicy(paths);
  const active = await nftHasTable();
  if (active && applied === text) return [];
  const after = read(text);
  if (after === undefined) return [];
  const before = active ? read(applied ?? '') : undefined;
  const { listeners } = await readListeners();
  const was = before === undefined ? undefined : reachOf(before, listeners);
  const will = reachOf(after, listeners);
  const rows = new Map<string, { cells: string[]; families: Set<string> }>();
  for (const [i, reach] of will.entries()) {
    const from = was?.[i]?.sources ?? ['anywhere'];
    const verb = verbFor(from, reach.sources);
    if (verb === undefined) continue;
    const { listener } = reach;
    const cells = [
      verb,
      `${listener.port}/${listener.protocol}`,
      `(${answeringText(listener.what)})`,
      whom(verb, from, reach),
    ];
    const row = rows.get(cells.join(' ')) ?? { cells, families: new Set<string>() };
    row.families.add(listener.family === 'ipv4' ? 'v4' : 'v6');
    rows.set(cells.join(' '), row);
  }
  if (rows.size === 0) return [];
  const lines = [...rows.values()].map(({ cells, families }, i) => [
    i === 0 ? 'PLAN' : '',
    ...cells,
    [...families].join(' '),
  ]);
  return [table(lines)];
}

function verbFor(
  before: readonly string[],
  after: readonly string[],
): 'closes' | 'keeps' | 'narrows' | 'opens' | undefined {
  if (before.length === 0 && after.length === 0) return undefined;
  if (after.length === 0) return 'closes';
  if (before.length === 0) return 'opens';
  if (before.join() === after.join()) return 'keeps';
  return after.every((source) => before.includes(source)) || before.includes('anywhere')
    ? 'narrows'
    : 'opens';
}

function whom(verb: string, before: readonly string[], { sources }: Reach): string {
  return `to ${verb === 'closes' ? before.join(', ') : sources.join(', ')}`;
}
