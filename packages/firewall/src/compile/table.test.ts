// The compiled table decides as the sentences say, one after another, for thousands of random policies.
import { type Packet, renderTable, type Table, walkHook } from '@moat/netfilter';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type Flow,
  flows,
  flowText,
  meaning,
  policies,
  policyText,
  type RandomPolicy,
  WIDE_WORLD,
} from '../../../../test/random-policy.ts';
import { runs } from '../../../../test/runs.ts';
import { parsePolicyFile } from '../policy/file.ts';
import { parseServices } from '../policy/services.ts';
import { NO_LINKS } from './container-links.ts';
import { compileTable } from './table.ts';

const SERVICES = parseServices('');

function compiled(policy: RandomPolicy): Table {
  const parsed = parsePolicyFile(policyText(policy), SERVICES);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return compileTable(parsed.file.policy, NO_LINKS);
}

/** The flow's first packet, through every hook that it meets. */
function decided(table: Table, flow: Flow): string {
  const packet: Packet = {
    protocol: flow.protocol,
    source: flow.source,
    destination: flow.destination,
    ...(flow.protocol === 'tcp' || flow.protocol === 'udp'
      ? { sourcePort: flow.sourcePort, destinationPort: flow.destinationPort }
      : {}),
    ...(flow.direction === 'in' ? { inInterface: flow.interface } : { outInterface: flow.interface }),
    state: 'new',
    destinationType: flow.direction === 'in' ? 'local' : 'unicast',
    labels: new Set(),
  };
  if (flow.direction === 'out') return walkHook(table, 'output', packet).verdict;
  const before = walkHook(table, 'prerouting', packet);
  if (before.verdict !== 'accept') return before.verdict;
  return walkHook(table, 'input', { ...packet, labels: before.labels }).verdict;
}

function agrees(policy: RandomPolicy, some: readonly Flow[]): void {
  const table = compiled(policy);
  for (const flow of some) {
    const wanted = meaning(policy, flow);
    const got = decided(table, flow);
    if (got !== wanted)
      throw new Error(`${flowText(flow)}: wanted ${wanted}, got ${got}\n${policyText(policy)}`);
  }
}

const FLOWS = flows(WIDE_WORLD, WIDE_WORLD.protocols);
const someFlows = fc.array(FLOWS, { minLength: 30, maxLength: 30 });

test(`${runs(2000)} small policies, 30 flows each`, () => {
  const counts = { accept: 0, drop: 0, reject: 0 };
  fc.assert(
    fc.property(policies(WIDE_WORLD, 8), someFlows, (policy, some) => {
      agrees(policy, some);
      for (const flow of some) counts[meaning(policy, flow)]++;
    }),
    { numRuns: runs(2000) },
  );
  // Else the flows would say nothing about the sentences.
  expect(Math.min(...Object.values(counts))).toBeGreaterThan(runs(5000));
});

test(`${runs(300)} policies of up to 60 sentences, where many share one rule`, () => {
  fc.assert(
    fc.property(policies(WIDE_WORLD, 60), someFlows, (policy, some) => agrees(policy, some)),
    { numRuns: runs(300) },
  );
});

test('a group without IPv4 members in a sentence about an IPv4 protocol matches nothing', () => {
  const line = { action: 'allow', direction: 'in', interface: undefined, protocol: 'igmp' } as const;
  const policy: RandomPolicy = {
    defaults: { incoming: 'drop', outgoing: 'accept', routed: 'drop' },
    logging: 'off',
    groups: { one: ['2001:db8::/32'] },
    lines: [{ ...line, from: 'one', to: undefined, fromPorts: undefined, toPorts: undefined }],
  };
  const table = compiled(policy);
  const groups = table.sets.filter(({ name }) => name.startsWith('group_'));
  expect(groups).toEqual([expect.objectContaining({ name: 'group_one_v6' })]);
  expect(renderTable(table)).not.toContain('@group_one');
});
