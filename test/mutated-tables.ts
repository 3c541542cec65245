// Tables with one mistake: a rule lost, doubled, moved; a verdict, an operator, a value, an element that is another.
import type { Chain, Prefix, Rule, SetSource, Statement, Table, Value, Verdict } from '@moat/netfilter';
import fc from 'fast-check';

/** Random numbers from 0 to below `limit`. */
export type Dice = (limit: number) => number;

const pick = <T>(dice: Dice, list: readonly T[]): T => list[dice(list.length)]!;

/** The table with one mistake, and what it is in words; undefined where the dice hit upon nothing that can be changed. */
export function mutated(
  table: Table,
  dice: Dice,
): { readonly table: Table; readonly what: string } | undefined {
  if (dice(8) === 0) return mutatedSet(table, dice);
  const at = pick(
    dice,
    table.chains.flatMap((chain, c) => chain.rules.map((_, r) => ({ chain, c, r }))),
  );
  const { chain, c, r } = at;
  const rule = chain.rules[r]!;
  const changed = mutatedRules(table, chain, r, dice);
  if (changed === undefined) return undefined;
  const chains = table.chains.map((each, i) => (i === c ? { ...each, rules: changed.rules } : each));
  return {
    table: { ...table, chains },
    what: `${changed.how} rule ${r + 1} of ${chain.name}, ${rule.comment}`,
  };
}

function mutatedRules(
  table: Table,
  { rules, name }: Chain,
  at: number,
  dice: Dice,
): { readonly rules: readonly Rule[]; readonly how: string } | undefined {
  const rule = rules[at]!;
  const rest = rules.filter((_, i) => i !== at);
  const to = dice(rules.length + 1);
  switch (dice(7)) {
    case 0:
      return { rules: rest, how: 'lost' };
    case 1:
      return { rules: rules.toSpliced(to, 0, rule), how: `doubled (at ${to + 1})` };
    case 2:
      if (at + 1 === rules.length) return undefined;
      return { rules: rules.toSpliced(at, 2, rules[at + 1]!, rule), how: 'swapped with the next' };
    default: {
      const which = dice(rule.statements.length);
      const statement = mutatedStatement(rule.statements[which]!, table, name, dice);
      if (statement === undefined) return undefined;
      const changed = { ...rule, statements: rule.statements.with(which, statement) };
      return { rules: rules.with(at, changed), how: `changed ${JSON.stringify(statement, big)} in` };
    }
  }
}

function big(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}

const OPPOSITE = {
  '==': '!=',
  '!=': '==',
  in: '!',
  '!': 'in',
  '<': '>',
  '>': '<',
  '<=': '>=',
  '>=': '<=',
} as const;

function mutatedStatement(
  statement: Statement,
  table: Table,
  chain: string,
  dice: Dice,
): Statement | undefined {
  switch (statement.kind) {
    case 'match': {
      if (dice(2) === 0) return { ...statement, operator: OPPOSITE[statement.operator] };
      const { right } = statement;
      if (right.kind === 'named' || right.kind === 'expression') return undefined;
      if (right.kind === 'elements') return { ...statement, right: mutatedElements(right, dice) };
      return { ...statement, right: mutatedValue(right, dice) };
    }
    case 'vmap': {
      const { map } = statement;
      if (map.kind !== 'entries') return undefined;
      const which = dice(map.entries.length);
      const entry = map.entries[which]!;
      const others =
        dice(2) === 0
          ? { verdict: mutatedVerdict(entry.verdict, table, chain, dice) }
          : { key: mutatedValue(entry.key, dice) };
      const entries =
        dice(3) === 0 && map.entries.length > 1
          ? map.entries.toSpliced(which, 1)
          : map.entries.with(which, { ...entry, ...others });
      // A map with a key twice does not load.
      const keys = entries.map(({ key }) => JSON.stringify(key, big));
      return new Set(keys).size < keys.length ? undefined : { ...statement, map: { ...map, entries } };
    }
    case 'verdict':
      return { ...statement, verdict: mutatedVerdict(statement.verdict, table, chain, dice) };
    case 'reject':
      return { kind: 'verdict', verdict: { kind: dice(2) === 0 ? 'drop' : 'accept' } };
    case 'mangle': {
      const { value } = statement;
      return value.kind === 'number' ? { ...statement, value: mutatedValue(value, dice) } : undefined;
    }
    default:
      return undefined;
  }
}

/** Other chains of the table, but none from which this one can be reached: the kernel refuses loops. */
function mutatedVerdict(verdict: Verdict, table: Table, from: string, dice: Dice): Verdict {
  const chains = new Map(table.chains.map((chain) => [chain.name, chain]));
  const reaches = (name: string): boolean =>
    name === from ||
    (chains.get(name)?.rules ?? []).some(({ statements }) =>
      statements.some((statement) => targetsOf(statement).some(reaches)),
    );
  const targets = table.chains.filter(({ base, name }) => base === undefined && !reaches(name));
  const others: Verdict[] = [
    { kind: 'accept' },
    { kind: 'drop' },
    { kind: 'return' },
    ...targets.flatMap(({ name }): Verdict[] => [
      { kind: 'goto', chain: name },
      { kind: 'jump', chain: name },
    ]),
  ];
  const text = JSON.stringify(verdict);
  return pick(
    dice,
    others.filter((other) => JSON.stringify(other) !== text),
  );
}

function targetsOf(statement: Statement): string[] {
  if (statement.kind === 'verdict' && 'chain' in statement.verdict) return [statement.verdict.chain];
  if (statement.kind !== 'vmap' || statement.map.kind !== 'entries') return [];
  return statement.map.entries.flatMap(({ verdict }) => ('chain' in verdict ? [verdict.chain] : []));
}

function mutatedElements(source: SetSource & { readonly kind: 'elements' }, dice: Dice): SetSource {
  const { elements } = source;
  const which = dice(elements.length);
  if (dice(2) === 0 && elements.length > 1) return { ...source, elements: elements.toSpliced(which, 1) };
  return { ...source, elements: elements.with(which, mutatedValue(elements[which]!, dice)) };
}

function mutatedSet(table: Table, dice: Dice): { readonly table: Table; readonly what: string } | undefined {
  const filled = table.sets.filter(({ elements }) => elements.length > 0);
  if (filled.length === 0) return undefined;
  const set = pick(dice, filled);
  const changed = mutatedElements({ kind: 'elements', elements: set.elements }, dice);
  if (changed.kind !== 'elements') return undefined;
  const sets = table.sets.map((each) => (each === set ? { ...set, elements: changed.elements } : each));
  return { table: { ...table, sets }, what: `an element of ${set.name}` };
}

const WORDS: readonly (readonly string[])[] = [
  ['new', 'established', 'related', 'invalid', 'untracked'],
  ['local', 'anycast', 'broadcast', 'multicast', 'unicast'],
  ['tcp', 'udp', 'icmp', 'ipv6-icmp', 'esp', 'gre', 'ah', 'igmp'],
  ['ipv4', 'ipv6'],
  ['eth0', 'eth1', 'eth*', 'wg0', 'lo', 'docker0', 'br-*', 'br-lan', 'virbr0', 'net7'],
];

function mutatedValue(value: Value, dice: Dice): Value {
  switch (value.kind) {
    case 'number':
      return { ...value, value: value.value + (value.value === 0 || dice(2) === 0 ? 1 : -1) };
    case 'symbol': {
      const list = WORDS.find((words) => words.includes(value.name)) ?? [value.name];
      return {
        ...value,
        name: pick(
          dice,
          list.filter((name) => name !== value.name || list.length === 1),
        ),
      };
    }
    case 'range':
      return dice(2) === 0
        ? { ...value, last: mutatedValue(value.last, dice) }
        : { ...value, first: mutatedValue(value.first, dice) };
    case 'prefix':
      return { ...value, prefix: mutatedPrefix(value.prefix, dice) };
    case 'concat': {
      const which = dice(value.parts.length);
      return { ...value, parts: value.parts.with(which, mutatedValue(value.parts[which]!, dice)) };
    }
    default:
      return value;
  }
}

/** The network beside it, the one around it, or half of it. */
function mutatedPrefix({ family, value, length }: Prefix, dice: Dice): Prefix {
  const bits = family === 'ipv4' ? 32 : 128;
  const unit = (at: number): bigint => 1n << BigInt(bits - at);
  if (length > 0 && dice(2) === 0) return { family, value: value ^ unit(length), length };
  if (length === 0 || (length < bits && dice(2) === 0)) {
    return { family, value: value + (dice(2) === 0 ? 0n : unit(length + 1)), length: length + 1 };
  }
  return { family, value: (value / unit(length - 1)) * unit(length - 1), length: length - 1 };
}

/** Dice for fast-check's numbers: endless, and the same for the same seed. */
export function diceOf(seed: number): Dice {
  let state = seed >>> 0;
  return (limit) => {
    // Xorshift (Marsaglia): enough to choose by.
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % limit;
  };
}
export const seeds: fc.Arbitrary<number> = fc.integer({ min: 1, max: 0xffff_ffff });
