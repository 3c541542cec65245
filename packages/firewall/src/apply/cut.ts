// Ending the flows that a change refuses: those that were let in before are not let go on.
import { formatAddress, renderSeconds, type Table } from '@moat/netfilter';
import { CUT_SETS } from '../compile/cut.ts';
import { TABLE } from '../compile/table.ts';
import { adminConnections } from '../kernel/admin-connections.ts';
import { readLinks } from '../kernel/links.ts';
import type { HeldLock } from '../kernel/lock.ts';
import { nftApply } from '../kernel/nft.ts';
import type { Paths } from '../kernel/paths.ts';
import { type Direction, endFlows, type Flow, readFlows, resetSockets } from '../kernel/running-flows.ts';
import { refusedFlows } from './refused-flows.ts';

/** No retransmission and no keepalive goes on for as long. A change that opens something ends it earlier. */
const KEPT_OUT_SECONDS = 86_400;

/** What would be cut by these rules now; undefined where flows cannot be listed. */
export async function flowsRefusedBy(table: Table): Promise<Flow[] | undefined> {
  const flows = await readFlows();
  if (flows === undefined) return undefined;
  const links = await readLinks();
  const { connections } = adminConnections(links);
  // Whoever still authenticates is no admin yet.
  const admins = connections.filter(({ session, ours }) => session || ours);
  return refusedFlows(table, flows, links, admins);
}

/** Ends them, and tells it in words. Called when the rules are in force, so that none begins meanwhile. */
export async function cutFlows(paths: Paths, table: Table, lock: HeldLock): Promise<string[]> {
  const flows = await flowsRefusedBy(table);
  if (flows === undefined)
    return ['flows that run could not be listed: those that are refused now may go on'];
  if (flows.length === 0) return [];
  const text = elementsText(flows);
  const sent = text === '' ? undefined : await nftApply(text, { paths, lock });
  const ended = await endFlows(flows);
  for (const { original, reply } of flows.filter(({ protocol }) => protocol === 'tcp')) {
    // One of the two is on this host, or neither; the other one is told of the end.
    await resetSockets(original.source.address, { remote: original.source.port, local: reply.source.port });
    await resetSockets(original.destination.address, {
      remote: original.destination.port,
      local: original.source.port,
    });
  }
  const failed = sent !== undefined && sent.kind !== 'ok' ? [`they may begin anew: ${sent.message}`] : [];
  const missing =
    ended.kind === 'missing' ? ['conntrack is not installed: their entries stay until they age'] : [];
  return [`ended what the new rules refuse: ${flowsText(flows)}`, ...failed, ...missing];
}

/** Lets go of what was ended before: what is opened again shall be open for everybody. */
export async function forgetCut(paths: Paths, current: Table | undefined, lock: HeldLock): Promise<void> {
  const filled = Object.values(CUT_SETS).filter(
    (name) => (current?.sets.find((set) => set.name === name)?.elements.length ?? 0) > 0,
  );
  if (filled.length === 0) return;
  const text = filled.map((name) => `flush set ${TABLE.family} ${TABLE.name} ${name}\n`).join('');
  await nftApply(text, { paths, lock });
}

/** Both sides of each flow as their packets come in; protocols without ports need none of it. */
function elementsText(flows: readonly Flow[]): string {
  return (['ipv4', 'ipv6'] as const)
    .map((family) => {
      const elements = flows
        .filter((flow) => flow.family === family && PORTED.has(flow.protocol))
        .flatMap(({ protocol, original, reply }) =>
          [original, reply].map((side) => tupleText(protocol, side)),
        );
      if (elements.length === 0) return '';
      const all = [...new Set(elements)].map((each) => `${each} timeout ${renderSeconds(KEPT_OUT_SECONDS)}`);
      return `add element ${TABLE.family} ${TABLE.name} ${CUT_SETS[family]} { ${all.join(', ')} }\n`;
    })
    .join('');
}

const PORTED: ReadonlySet<string> = new Set(['tcp', 'udp']);

function tupleText(protocol: string, { source, destination }: Direction): string {
  const ends = [source, destination].map(({ address, port }) => `${formatAddress(address)} . ${port}`);
  return [protocol, ...ends].join(' . ');
}

const MOST_NAMED = 5;

/** `192.0.2.9 → 80/tcp (2), 198.51.100.7 → 443/tcp`, the first few. */
export function flowsText(flows: readonly Flow[]): string {
  const counts = new Map<string, number>();
  for (const { protocol, original } of flows) {
    const { source, destination } = original;
    const port = destination.port === 0 ? protocol : `${destination.port}/${protocol}`;
    const text = `${formatAddress(source.address)} → ${formatAddress(destination.address)} ${port}`;
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  const texts = [...counts].map(([text, count]) => (count === 1 ? text : `${text} (${count} flows)`)).sort();
  const more = texts.length - MOST_NAMED;
  return texts.slice(0, MOST_NAMED).join(', ') + (more > 0 ? `, and ${more} more` : '');
}
