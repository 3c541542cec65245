// Random rulesets of one page: chains that call each other, sets, verdict maps, marks and DNAT, in IPv4 on the way in.
import {
  type Address,
  type Chain,
  meta,
  number,
  payload,
  type Rule,
  type Ruleset,
  type Statement,
  symbol,
  type Value,
  type Verdict,
} from '@moat/netfilter';
import fc from 'fast-check';

export type RandomVerdict =
  | 'accept'
  | 'drop'
  | 'reject'
  | 'return'
  | { readonly to: string; readonly back: boolean };

/** Closed intervals; undefined: any. `src` may be said by the set with a name, or as what it is not. */
export interface RandomRule {
  readonly protocol: 'tcp' | 'udp';
  readonly src: readonly (readonly [number, number])[] | undefined;
  readonly srcIs: 'in' | 'not in' | 'in the set';
  readonly dst: readonly [number, number] | undefined;
  readonly dport: readonly [number, number] | undefined;
  readonly mark: number | undefined;
  readonly setMark: number | undefined;
  readonly dnat: { readonly address: number; readonly port: number | undefined } | undefined;
  /** By destination port, else the next rule. */
  readonly map: readonly (readonly [number, RandomVerdict])[] | undefined;
  readonly verdict: RandomVerdict | undefined;
}

/** In the order in which packets come to them; the others are called `a`, `b`. */
export const BASES = ['mangle', 'nat', 'first', 'second'] as const;
export type RandomChains = Readonly<Record<(typeof BASES)[number] | 'a' | 'b', readonly RandomRule[]>> & {
  readonly policies: Readonly<Record<'first' | 'second', 'accept' | 'drop'>>;
};

/** Few values near each other, so that rules meet; 10.0.0.0 and what follows. */
const START = 0x0a000000;
const addresses = fc.integer({ min: 0, max: 12 }).map((n) => START + n);
const ports = fc.integer({ min: 78, max: 84 });
const marks = fc.constantFrom(1, 2);
const interval = (of: fc.Arbitrary<number>): fc.Arbitrary<readonly [number, number]> =>
  fc.tuple(of, of).map(([a, b]) => (a < b ? [a, b] : [b, a]));
/** Absent once in `freq` + 1 times, so that rules end in something and are not about too little. */
const maybe = <T>(of: fc.Arbitrary<T>, freq = 1): fc.Arbitrary<T | undefined> =>
  fc.option(of, { nil: undefined, freq });

function rules(calls: readonly string[], where: 'mangle' | 'nat' | 'filter'): fc.Arbitrary<RandomRule[]> {
  const to = calls.map((chain) => fc.record({ to: fc.constant(chain), back: fc.boolean() }));
  const ends = where === 'nat' ? (['accept', 'return'] as const) : (['accept', 'drop', 'return'] as const);
  const verdicts: fc.Arbitrary<RandomVerdict> = fc.oneof(
    fc.constantFrom<RandomVerdict>(...ends, ...(where === 'filter' ? (['reject', 'reject'] as const) : [])),
    ...to,
  );
  const mapped: fc.Arbitrary<RandomVerdict> = fc.oneof(fc.constantFrom<RandomVerdict>(...ends), ...to);
  const dnat = fc.record({ address: addresses, port: maybe(ports) });
  return fc.array(
    fc
      .record({
        protocol: fc.constantFrom('tcp' as const, 'tcp' as const, 'udp' as const),
        src: maybe(fc.array(interval(addresses), { minLength: 1, maxLength: 2 })),
        srcIs: fc.constantFrom('in' as const, 'not in' as const, 'in the set' as const),
        dst: maybe(interval(addresses)),
        dport: maybe(interval(ports)),
        mark: maybe(marks),
        setMark: maybe(marks),
        dnat: where === 'nat' ? maybe(dnat) : fc.constant(undefined),
        map: maybe(
          fc.uniqueArray(fc.tuple(ports, mapped), { minLength: 1, maxLength: 3, selector: ([port]) => port }),
        ),
        verdict: maybe(verdicts, 5),
      })
      .map((rule) => (rule.dnat === undefined ? rule : { ...rule, map: undefined, verdict: undefined })),
    { minLength: 1, maxLength: 4, size: 'max' },
  );
}

export const randomChains: fc.Arbitrary<RandomChains> = fc.record({
  mangle: rules([], 'mangle'),
  nat: rules([], 'nat'),
  first: rules(['a', 'b'], 'filter'),
  second: rules(['a', 'b'], 'filter'),
  a: rules(['b'], 'filter'),
  b: rules([], 'filter'),
  policies: fc.record({
    first: fc.constantFrom('accept' as const, 'drop' as const),
    second: fc.constantFrom('accept' as const, 'drop' as const),
  }),
});

const ADDRESS = (value: number): Address => ({ family: 'ipv4', value: BigInt(value) });
const addressValue = (value: number): Value => ({ kind: 'address', address: ADDRESS(value) });
const range = (first: Value, last: Value): Value => ({ kind: 'range', first, last });

/** The same in netfilter's words: one table, with its sets. */
export function rulesetOf(chains: RandomChains): Ruleset {
  const sets: { name: string; elements: Value[] }[] = [];
  const intervals = (list: readonly (readonly [number, number])[]): Value[] =>
    list.map(([first, last]) => range(addressValue(first), addressValue(last)));
  const ruleOf = (rule: RandomRule): Rule => {
    const statements: Statement[] = [
      { kind: 'match', operator: '==', left: meta('l4proto'), right: symbol(rule.protocol) },
    ];
    if (rule.src !== undefined) {
      const elements = intervals(rule.src);
      const name = `set${sets.length}`;
      if (rule.srcIs === 'in the set') sets.push({ name, elements });
      statements.push({
        kind: 'match',
        operator: rule.srcIs === 'not in' ? '!=' : '==',
        left: payload('ip', 'saddr'),
        right: rule.srcIs === 'in the set' ? { kind: 'named', name } : { kind: 'elements', elements },
      });
    }
    if (rule.dst !== undefined)
      statements.push({
        kind: 'match',
        operator: '==',
        left: payload('ip', 'daddr'),
        right: intervals([rule.dst])[0]!,
      });
    if (rule.dport !== undefined)
      statements.push({
        kind: 'match',
        operator: '==',
        left: payload(rule.protocol, 'dport'),
        right: range(number(rule.dport[0]), number(rule.dport[1])),
      });
    if (rule.mark !== undefined)
      statements.push({ kind: 'match', operator: '==', left: meta('mark'), right: number(rule.mark) });
    if (rule.setMark !== undefined)
      statements.push({ kind: 'mangle', key: meta('mark'), value: number(rule.setMark) });
    if (rule.dnat !== undefined)
      statements.push({
        kind: 'nat',
        type: 'dnat',
        family: 'ip',
        address: addressValue(rule.dnat.address),
        ...(rule.dnat.port === undefined ? {} : { port: number(rule.dnat.port) }),
        flags: [],
      });
    if (rule.map !== undefined)
      statements.push({
        kind: 'vmap',
        key: payload(rule.protocol, 'dport'),
        map: {
          kind: 'entries',
          entries: rule.map.map(([port, to]) => ({ key: number(port), verdict: verdictOf(to) })),
        },
      });
    else if (rule.verdict === 'reject') statements.push({ kind: 'reject', type: 'icmpx' });
    else if (rule.verdict !== undefined)
      statements.push({ kind: 'verdict', verdict: verdictOf(rule.verdict) });
    return { statements };
  };
  const base = (name: 'first' | 'second', priority: number): Chain => ({
    name,
    base: { type: 'filter', hook: 'input', priority, policy: chains.policies[name] },
    rules: chains[name].map(ruleOf),
  });
  const all: Chain[] = [
    {
      name: 'mangle',
      base: { type: 'filter', hook: 'prerouting', priority: -150, policy: 'accept' },
      rules: chains.mangle.map(ruleOf),
    },
    {
      name: 'nat',
      base: { type: 'nat', hook: 'prerouting', priority: -100, policy: 'accept' },
      rules: chains.nat.map(ruleOf),
    },
    base('first', 0),
    base('second', 10),
    { name: 'a', rules: chains.a.map(ruleOf) },
    { name: 'b', rules: chains.b.map(ruleOf) },
  ];
  const declared = sets.map(({ name, elements }) => ({
    ...{ name, type: ['ipv4_addr'], interval: true, dynamic: false, elements },
  }));
  return { tables: [{ family: 'inet', name: 'random', sets: declared, chains: all }] };
}

function verdictOf(verdict: Exclude<RandomVerdict, 'reject'> | 'reject'): Verdict {
  if (typeof verdict === 'object') return { kind: verdict.back ? 'jump' : 'goto', chain: verdict.to };
  if (verdict === 'reject') throw new Error('reject is a statement');
  return { kind: verdict };
}
