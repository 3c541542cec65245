import { expect, test } from 'vitest';
import { parseAddress } from '../net/address.ts';
import { readIptablesSave } from '../read/iptables-save.ts';
import { decisionLeaves, LEAF } from '../space/decision.ts';
import { leafFor } from '../space/packet-set.ts';
import { packetSpace } from '../space/packet-space.ts';
import { beginAnalysis, spaceFor } from './analysis.ts';
import { roadDecision } from './road.ts';
import { viewOf } from './scope.ts';
import { ruleBlocks } from './simple-rules.ts';

function dump(rules: readonly string[]): string {
  return ['*filter', ':INPUT DROP [0:0]', ':many - [0:0]', ...rules, 'COMMIT', ''].join('\n');
}

function inputOf(rules: readonly string[]) {
  const { ruleset } = readIptablesSave(dump(rules));
  const input = { family: 'ipv4' as const, rulesets: [ruleset] };
  const space = packetSpace(spaceFor(input));
  return { decision: roadDecision(viewOf(beginAnalysis(space, input), ruleset), 'input') };
}

const address = (n: number): string => `10.0.${n >> 8}.${n & 255}`;

const packet = (src: string, dport: number) => ({
  state: 'new',
  iif: '*',
  oif: '-',
  src: parseAddress(src)!,
  dst: parseAddress('192.0.2.1')!,
  proto: 6,
  sport: 40_000,
  dport,
  tcpflags: 2,
});

/** More rules than are put together at once, in a shape that is looked at one by one, and in one that is not. */
test.each([
  ['one by one', '-m comment --comment x -j LOG\n-A many -p icmp -j REJECT'],
  ['at once', '-m comment --comment x'],
])('a chain of 2,000 rules that returns does return: %s', (_, between) => {
  const returns = Array.from({ length: 1000 }, (__, n) => [
    `-A many -s ${address(n)} -p tcp --dport 22 -j RETURN`,
    `-A many -s ${address(n + 1000)} ${between}`,
  ]).flat();
  const rules = [...returns, '-A many -p tcp --dport 22 -j ACCEPT', '-A INPUT -j many'];
  const { decision } = inputOf(rules);
  for (const [src, verdict] of [
    [address(0), 'drop'],
    [address(999), 'drop'],
    ['10.0.200.1', 'accept'],
  ] as const) {
    expect(leafFor(decision, packet(src, 22))).toBe(LEAF[verdict]);
  }
});

test('masks of flags, rates and replies that need a header are part of what is looked at together', () => {
  const rules = Array.from({ length: 40 }, (_, n) => [
    `-A INPUT -s ${address(n)} -p tcp --dport ${n} --tcp-flags SYN,ACK SYN -j ACCEPT`,
    `-A INPUT -s ${address(n)} -m limit --limit 5/min -j ACCEPT`,
    `-A INPUT -s ${address(n)} -p tcp -j REJECT --reject-with tcp-reset`,
  ]).flat();
  const { decision } = inputOf(rules);
  expect(decisionLeaves(decision)).toEqual([LEAF.drop, LEAF.accept, LEAF.reject]);
  expect(leafFor(decision, packet(address(7), 7))).toBe(LEAF.accept);
  expect(leafFor(decision, packet('10.0.200.1', 7))).toBe(LEAF.drop);
});

test('long stretches of simple rules are apart, short ones stay with the others', () => {
  const simple = Array.from({ length: 9 }, (_, n) => `-A INPUT -s ${address(n)} -j ACCEPT`);
  const { ruleset } = readIptablesSave(
    dump(['-A INPUT -j many', ...simple.slice(0, 3), '-A INPUT -j many', ...simple, '-A INPUT -j many']),
  );
  const chain = ruleset.tables[0]!.chains.find(({ name }) => name === 'INPUT')!;
  expect(ruleBlocks(chain.rules)).toEqual([
    { from: 0, to: 5, isSimple: false },
    { from: 5, to: 14, isSimple: true },
    { from: 14, to: 15, isSimple: false },
  ]);
});
