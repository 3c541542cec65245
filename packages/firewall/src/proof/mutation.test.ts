// Compiled tables with one mistake each: the proof finds those that change a verdict, and no others. Who is right is told
// by walks of single packets, which share nothing with the packet sets and are compared with the kernel elsewhere.
import type { Address, PacketFields, Statement, Table } from '@moat/netfilter';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { diceOf, mutated, seeds } from '../../../../test/mutated-tables.ts';
import { type Arrival, arrivals, FACTS, type Way, walked } from '../../../../test/random-packets.ts';
import { policies, policyText, WIDE_WORLD } from '../../../../test/random-policy.ts';
import { compileTable } from '../compile/table.ts';
import { parsePolicyFile } from '../policy/file.ts';
import { parseServices } from '../policy/services.ts';
import { type Difference, provePolicy } from './prove-policy.ts';

const SERVICES = parseServices('');
/** `MOAT_MUTATIONS=500 MOAT_SEED=1 npx vitest run --project unit packages/firewall/src/proof/mutation.test.ts`: the long run. */
const MUTATIONS = Number(process.env['MOAT_MUTATIONS'] ?? 30);
/** Which ones; printed, so that a run can be had again: `MOAT_SEED=7`. */
const SEED = Number(process.env['MOAT_SEED'] ?? 1 + Math.floor(Math.random() * 2 ** 31));
const PACKETS = 400;

/** The same table for sources that come too often: what was under a limit is over it. */
function tooOften(table: Table): Table {
  const flipped = (statement: Statement): Statement =>
    statement.kind === 'limit'
      ? { ...statement, over: !statement.over }
      : statement.kind === 'dynset'
        ? { ...statement, statements: statement.statements.map(flipped) }
        : statement;
  const chains = table.chains.map((chain) => ({
    ...chain,
    rules: chain.rules.map((rule) => ({ ...rule, statements: rule.statements.map(flipped) })),
  }));
  return { ...table, chains };
}

/** All that may become of a packet, as one text. */
function possible([few, many]: readonly [Table, Table], arrival: Arrival): string {
  return [...new Set([walked(few, arrival), walked(many, arrival)])].sort().join(' or ');
}

const WAYS: Readonly<Record<string, Way>> = {
  'to a process': 'in',
  'redirected to another port': 'in, redirected',
  'sent on to a container': 'in, sent on',
  'of a flow that was sent on to a container': 'in, sent on',
  'broadcast or multicast': 'in by broadcast',
  'from a process': 'out',
  'from a container': 'through',
  'from a container to a rewritten destination': 'through, rewritten',
  through: 'through',
  'through to a rewritten destination': 'through, rewritten',
  'redirected to a process': 'redirected',
};
const PROTOCOLS: Readonly<Record<number, string>> = {
  ...{ 1: 'icmp', 2: 'igmp', 6: 'tcp', 17: 'udp', 41: 'ipv6', 47: 'gre', 50: 'esp', 51: 'ah' },
  ...{ 58: 'ipv6-icmp', 112: 'vrrp' },
};

/** The proof's packet, to be walked. */
function arrivalOf({ road, witness: packet, family }: Difference): Arrival {
  const number = (name: string): number => Number((packet[name] as number | undefined) ?? 0);
  const name = (word: string): string => (word === '*' ? 'zz0' : word.replace(/\*$/, 'zz0'));
  return {
    way: WAYS[road]!,
    iif: name(packet['iif'] as string),
    oif: name(packet['oif'] as string),
    state: packet['state'] as Arrival['state'],
    protocol: PROTOCOLS[number('proto')] ?? String(number('proto')),
    source: packet['src'] as Address,
    destination: packet['dst'] as Address,
    sourcePort: number('sport'),
    destinationPort: number('dport'),
    icmpType: number('dport') >> 8,
    hopLimit: family === 'ipv6' ? number('ttl') : 64,
    ...destinationType(packet),
    newDestination: { family, value: BigInt(packet['new dst'] as number | bigint) },
    newPort: number('new dport'),
    statuses: new Set((number('status') & 32) === 0 ? [] : ['dnat']),
    labels: bitsOf(BigInt((packet['label'] as number | bigint | undefined) ?? 0)),
  };
}

function bitsOf(value: bigint): ReadonlySet<number> {
  return new Set(Array.from({ length: 128 }, (_, bit) => bit).filter((bit) => (value >> BigInt(bit)) & 1n));
}

function destinationType(packet: PacketFields): Pick<Arrival, 'destinationType'> {
  const type = packet['daddrtype'] as Arrival['destinationType'];
  return type === undefined ? {} : { destinationType: type };
}

test(`${MUTATIONS} mistakes`, { timeout: 600_000 }, () => {
  const counts = { found: 0, harmless: 0, unanswered: 0 };
  const some = fc.array(arrivals(WIDE_WORLD), { minLength: PACKETS, maxLength: PACKETS });
  const perPolicy = 5;
  fc.assert(
    fc.property(
      policies(WIDE_WORLD, 6),
      fc.constantFrom(...FACTS),
      some,
      fc.array(seeds, { minLength: perPolicy, maxLength: perPolicy }),
      (random, facts, packets, numbers) => {
        const parsed = parsePolicyFile(policyText(random), SERVICES);
        if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
        const { policy } = parsed.file;
        const table = compileTable(policy, facts);
        const right = [table, tooOften(table)] as const;
        const meant = packets.map((packet) => possible(right, packet));
        for (const seed of numbers) {
          const dice = diceOf(seed);
          let mistake = mutated(table, dice);
          while (mistake === undefined) mistake = mutated(table, dice);
          const wrong = [mistake.table, tooOften(mistake.table)] as const;
          const proof = provePolicy(policy, facts, mistake.table);
          const told = (more: unknown): Error =>
            new Error(
              `${mistake.what}: ${proof.kind}; ${JSON.stringify(more, (_, v) => (typeof v === 'bigint' ? `${v}` : v))}\n${JSON.stringify(facts)}\n${policyText(random)}`,
            );
          if (proof.kind === 'too large') throw told('too large');
          if (proof.kind === 'different') {
            const witness = arrivalOf(proof.difference);
            const [one, other] = [possible(right, witness), possible(wrong, witness)];
            if (`${one} ${other}`.includes('unknown')) counts.unanswered++;
            else if (one === other) throw told([proof.difference, witness, one]);
            else counts.found++;
          } else {
            const missed = packets.find((packet, i) => {
              const now = possible(wrong, packet);
              return now !== meant[i] && !now.includes('unknown') && !meant[i]!.includes('unknown');
            });
            if (missed !== undefined) throw told([missed, possible(right, missed), possible(wrong, missed)]);
            counts.harmless++;
          }
        }
      },
    ),
    { numRuns: Math.ceil(MUTATIONS / perPolicy), seed: SEED, endOnFailure: true },
  );
  process.stdout.write(`mistakes of seed ${SEED}: ${JSON.stringify(counts)}\n`);
  expect(counts.found).toBeGreaterThan(MUTATIONS / 6);
  expect(counts.harmless).toBeGreaterThan(MUTATIONS / 30);
  expect(counts.unanswered).toBe(0);
});
