// Two more judges of what a policy means, neither of which knows packet sets: rectangles, and Z3 in bit vectors.
import {
  countPackets,
  type Decision,
  fixFields,
  type IpFamily,
  LEAF,
  packetsCover,
  packetsDecided,
  packetsWhere,
  parsePrefix,
  prefixInterval,
} from '@moat/netfilter';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type Line,
  policies,
  policyText,
  type RandomPolicy,
  WIDE_WORLD,
} from '../../../../test/random-policy.ts';
import {
  firstMatchRectangles,
  type Rectangle,
  type RectangleRule,
  volumeOf,
} from '../../../../test/rectangles.ts';
import { runs } from '../../../../test/runs.ts';
import { diagramTerm, leafVector, type Solver, startSolver } from '../../../../test/solver.ts';
import { parsePolicyFile } from '../policy/file.ts';
import { parseServices } from '../policy/services.ts';
import { meaningSpace, TOO_MANY } from './meaning-space.ts';
import { policyMeaning } from './policy-meaning.ts';

const SERVICES = parseServices('');
const FACTS = { containers: [], others: [], bridges: [] };
const FIELDS = ['src', 'dst', 'proto', 'sport', 'dport'] as const;
const PROTOCOLS = { tcp: 6, udp: 17, esp: 50, gre: 47, igmp: 2, ah: 51 } as const;
const LEAVES = { allow: LEAF.accept, limit: LEAF.accept, deny: LEAF.drop, reject: LEAF.reject } as const;

/** What the policy means for new flows over eth0, as a function of FIELDS alone. */
function meant(random: RandomPolicy, direction: 'in' | 'out', family: IpFamily): Decision {
  const parsed = parsePolicyFile(policyText(random), SERVICES);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  const { policy } = parsed.file;
  // Where a sentence names it the space knows it; else it is any other.
  const names = random.lines.map((line) => line.interface);
  const word = names.includes('eth0') ? 'eth0' : names.includes('eth+') ? 'eth*' : '*';
  const meaning = policyMeaning(meaningSpace(family, policy, FACTS), policy, FACTS);
  const common = { state: 'new', [TOO_MANY]: 0, ...(family === 'ipv6' ? { ttl: 64 } : {}) };
  return direction === 'in'
    ? fixFields(meaning.incoming, { ...common, iif: word, oif: '-' })
    : fixFields(meaning.outgoing, { ...common, iif: '-', oif: word });
}

/** The sentences that can concern such flows, as parts: protocols, networks, ports. undefined: any. */
interface Parts {
  readonly leaf: number;
  readonly protocols: readonly number[] | undefined;
  readonly src: readonly string[] | undefined;
  readonly dst: readonly string[] | undefined;
  readonly sport: Line['fromPorts'];
  readonly dport: Line['toPorts'];
}

function partsOf(random: RandomPolicy, direction: 'in' | 'out', family: IpFamily): Parts[] {
  const isOurs = (network: string): boolean => network.includes(':') === (family === 'ipv6');
  const networks = (where: string | undefined) =>
    where === undefined ? undefined : (random.groups[where] ?? [where]).filter(isOurs);
  return random.lines.flatMap((line): Parts[] => {
    if (line.direction !== direction || ![undefined, 'eth0', 'eth+'].includes(line.interface)) return [];
    if (line.protocol === 'igmp' && family === 'ipv6') return [];
    const hasPorts = line.fromPorts !== undefined || line.toPorts !== undefined;
    const protocols =
      line.protocol === undefined ? (hasPorts ? [6, 17] : undefined) : [PROTOCOLS[line.protocol]];
    const [src, dst] = [networks(line.from), networks(line.to)];
    return [{ leaf: LEAVES[line.action], protocols, src, dst, sport: line.fromPorts, dport: line.toPorts }];
  });
}

const defaultLeaf = (random: RandomPolicy, direction: 'in' | 'out'): number =>
  LEAF[random.defaults[direction === 'in' ? 'incoming' : 'outgoing']];

const one = (value: number): readonly [bigint, bigint] => [BigInt(value), BigInt(value)];
const type = (value: number): readonly [bigint, bigint] => [
  BigInt(value) * 256n,
  BigInt(value) * 256n + 255n,
];

function intervalOf(network: string): readonly [bigint, bigint] {
  const result = parsePrefix(network);
  if ('problem' in result) throw new Error(network);
  const { first, last } = prefixInterval(result.prefix);
  return [first, last];
}

test('rectangles: every packet of 60 policies, in IPv4', () => {
  const all = (bits: number): readonly [bigint, bigint] => [0n, (1n << BigInt(bits)) - 1n];
  const [address, port] = [all(32), all(16)];
  const universe: Rectangle = [address, address, all(8), port, port];
  /** ICMP's type stands where others have the destination port. */
  const builtIns = (direction: 'in' | 'out'): RectangleRule[] => [
    ...[3, 8, 11, 12].map((each) => ({
      box: [address, address, one(1), port, type(each)],
      leaf: LEAF.accept,
    })),
    {
      box: [address, address, one(17), ...(direction === 'in' ? [one(67), one(68)] : [one(68), one(67)])],
      leaf: LEAF.accept,
    },
  ];
  const boxes = ({ leaf, protocols, src, dst, sport, dport }: Parts): RectangleRule[] => {
    const ports = (list: Parts['sport']) =>
      list?.map(([first, last]) => [BigInt(first), BigInt(last)] as const) ?? [port];
    const ranges = [
      src?.map(intervalOf) ?? [address],
      dst?.map(intervalOf) ?? [address],
      protocols?.map(one) ?? [all(8)],
      ports(sport),
      ports(dport),
    ];
    return ranges
      .reduce<Rectangle[]>((some, range) => some.flatMap((box) => range.map((each) => [...box, each])), [[]])
      .map((box) => ({ box, leaf }));
  };
  fc.assert(
    fc.property(policies(WIDE_WORLD, 5), fc.constantFrom('in', 'out'), (random, direction) => {
      const decision = meant(random, direction, 'ipv4');
      const rules = [...builtIns(direction), ...partsOf(random, direction, 'ipv4').flatMap(boxes)];
      const decided = firstMatchRectangles(universe, rules, defaultLeaf(random, direction));
      const { space } = decision;
      for (const leaf of [LEAF.accept, LEAF.drop, LEAF.reject]) {
        const mine = packetsDecided(decision, leaf);
        const theirs = decided.filter((each) => each.leaf === leaf);
        const size = theirs.reduce((sum, { box }) => sum + volumeOf(box), 0n);
        const sizes = `${countPackets(mine, FIELDS)} of ${size}`;
        if (sizes !== `${size} of ${size}`) throw new Error(`leaf ${leaf}: ${sizes}\n${policyText(random)}`);
        // As many packets, so it is enough that none of theirs is missing.
        for (const { box } of theirs) {
          const match = Object.fromEntries(
            FIELDS.map((name, i) => [name, { first: box[i]![0], last: box[i]![1] }]),
          );
          if (!packetsCover(mine, packetsWhere(space, match)))
            throw new Error(`${box}\n${policyText(random)}`);
        }
      }
    }),
    { numRuns: 60, endOnFailure: true },
  );
});

let solver: Solver;
beforeAll(async () => {
  solver = await startSolver();
});
afterAll(() => solver.stop());

const BITS = { ipv4: 32, ipv6: 128 } as const;

/** First match as nested conditions. */
function policyTerm(random: RandomPolicy, direction: 'in' | 'out', family: IpFamily): string {
  const bits = BITS[family];
  const number = (value: bigint | number, width: number): string => `(_ bv${value} ${width})`;
  const or = (terms: readonly string[]): string =>
    terms.length === 0 ? 'false' : `(or ${terms.join(' ')} false)`;
  const within = (field: string, networks: readonly string[] | undefined): string[] => {
    if (networks === undefined) return [];
    const isIn = (network: string): string => {
      const [text, length = String(bits)] = network.split('/') as [string, string?];
      const mask = ((1n << BigInt(length)) - 1n) << BigInt(bits - Number(length));
      return `(= (bvand ${field} ${number(mask, bits)}) ${number(intervalOf(`${text}/${length}`)[0], bits)})`;
    };
    return [or(networks.map(isIn))];
  };
  const ports = (field: string, list: Parts['sport']): string[] => {
    if (list === undefined) return [];
    const isIn = ([first, last]: readonly [number, number]): string =>
      `(and (bvuge ${field} ${number(first, 16)}) (bvule ${field} ${number(last, 16)}))`;
    return [or(list.map(isIn))];
  };
  const all = (terms: readonly string[]): string =>
    terms.length === 0 ? 'true' : `(and ${terms.join(' ')} true)`;
  const is = (field: string, value: number, width: number): string => `(= ${field} ${number(value, width)})`;
  const types = { ipv4: [3, 8, 11, 12], ipv6: [1, 2, 3, 4, 128] }[family];
  const discovery = [133, 134, 135, 136, 141, 142, 148, 149];
  const listeners = [130, 131, 132, 143, 151, 152, 153];
  const isType = (list: readonly number[]): string =>
    or(list.map((each) => `(= ((_ extract 15 8) dport) ${number(each, 8)})`));
  const linkLocal = direction === 'in' && family === 'ipv6' ? within('src', ['fe80::/10']) : [];
  const [server, client] = family === 'ipv4' ? [67, 68] : [547, 546];
  const [sport, dport] = direction === 'in' ? [server, client] : [client, server];
  // The hop limit of all of these is 64.
  const fromHere = direction === 'out' && family === 'ipv6' ? [...discovery] : [];
  const builtIns = or([
    all([is('proto', family === 'ipv4' ? 1 : 58, 8), isType([...types, ...fromHere])]),
    ...(family === 'ipv6' ? [all([is('proto', 58, 8), isType(listeners), ...linkLocal])] : []),
    all([is('proto', 17, 8), is('sport', sport, 16), is('dport', dport, 16), ...linkLocal]),
  ]);
  const lines = partsOf(random, direction, family).reduceRight(
    (rest, { leaf, protocols, ...parts }) => {
      const terms = [
        ...(protocols === undefined ? [] : [or(protocols.map((each) => is('proto', each, 8)))]),
        ...within('src', parts.src),
        ...within('dst', parts.dst),
        ...ports('sport', parts.sport),
        ...ports('dport', parts.dport),
      ];
      return `(ite ${all(terms)} ${leafVector(leaf)} ${rest})`;
    },
    leafVector(defaultLeaf(random, direction)),
  );
  return `(ite ${builtIns} ${leafVector(LEAF.accept)} ${lines})`;
}

test(`Z3 finds no packet that ${runs(40)} policies decide otherwise, in both families`, async () => {
  await fc.assert(
    fc.asyncProperty(
      policies(WIDE_WORLD, 8),
      fc.constantFrom('in', 'out'),
      fc.constantFrom<IpFamily>('ipv4', 'ipv6'),
      async (random, direction, family) => {
        const term = policyTerm(random, direction, family);
        const variables = { src: BITS[family], dst: BITS[family], proto: 8, sport: 16, dport: 16 };
        const mine = diagramTerm(meant(random, direction, family));
        expect(await solver.ask(variables, `(not (= ${mine} ${term}))`)).toBe('unsat');
        // It is no yes-man: with another default it finds one, unless sentences decide everything.
        const { incoming, outgoing, routed } = random.defaults;
        const turned = (each: typeof incoming) =>
          each === 'accept' ? ('drop' as const) : ('accept' as const);
        const other = {
          ...random,
          defaults: { incoming: turned(incoming), outgoing: turned(outgoing), routed },
        };
        const otherTerm = policyTerm(other, direction, family);
        const decidesAll = (await solver.ask(variables, `(not (= ${term} ${otherTerm}))`)) === 'unsat';
        const found = await solver.ask(variables, `(not (= ${mine} ${otherTerm}))`);
        expect(found).toBe(decidesAll ? 'unsat' : 'sat');
      },
    ),
    { numRuns: runs(40), endOnFailure: true },
  );
});
