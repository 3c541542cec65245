// `-m set`: whether a packet is in one of ipset's sets.

import { type Expression, meta, payload } from '../model/expression.ts';
import type { Ipset, IpsetEntry, IpsetMatch } from '../model/ipset.ts';
import { ipsetKey } from '../model/ipset.ts';
import type { Value } from '../model/value.ts';
import { bitsOf } from '../net/address.ts';
import { allHold, type Found, type KeyTest, keyTest, lookupMany } from './lookup.ts';
import { conditionPart } from './match.ts';
import type { Context, Part, Read, Reader, Walker } from './step.ts';

type Holds = (walker: Walker) => boolean | undefined;

/** ip_set_core.c ip_set_test: what cannot be looked up is not in the set, so that a negation holds for it. */
export function compileIpset(statement: IpsetMatch, context: Context): readonly Part[] {
  const holds = holdsOf(statement.set, statement, context, 0);
  return [
    conditionPart(
      (walker) => {
        const found = holds(walker);
        return found === undefined ? undefined : found !== statement.inverted;
      },
      { kind: 'free', reason: 'set contents' },
    ),
  ];
}

const NOT_KNOWN: Holds = () => undefined;

function holdsOf(name: string, statement: IpsetMatch, context: Context, depth: number): Holds {
  const set = context.ipsets?.get(name);
  if (set === undefined || depth > 1) return NOT_KNOWN;
  if (set.method === 'list') return holdsList(set, statement, context, depth);
  if (set.family !== context.place.family && set.dimensions.some((each) => each === 'ip' || each === 'net')) {
    return () => false;
  }
  const family = context.place.family === 'ipv4' ? 'ip' : 'ip6';
  const expressions = ipsetKey(set, statement.directions, family);
  if (expressions === undefined) return NOT_KNOWN;
  const readers = expressions.map((expression, i) =>
    set.dimensions[i] === 'port' && set.method !== 'bitmap'
      ? portReader(statement.directions[i] === 'src' ? 'sport' : 'dport', context)
      : { ...context.reader(expression), of: expression },
  );
  const flat = readers.flatMap((reader) => ('pair' in reader ? reader.pair : [reader]));
  const tests = set.entries.map(({ parts }) =>
    parts.flatMap((part, i) => entryTests(part, readers[i]!, context)),
  );
  const find = findEntry(set, tests, statement.returnNomatch === true);
  const reads = flat.map(({ read }) => read);
  return (walker) => {
    const values: Found[] = [];
    for (const read of reads) {
      const value = read(walker);
      if (value === null) return false;
      values.push(value);
    }
    return find(values);
  };
}

type SetReader = (Reader & { readonly of: Expression }) | PortReader;

/** Protocol and port are two things to read. */
interface PortReader {
  readonly pair: readonly { readonly read: Read; readonly bits: number }[];
}

function entryTests(part: Value, reader: SetReader, context: Context): readonly KeyTest[] {
  if (!('pair' in reader)) return [keyTest(part, reader.of, reader, context)];
  if (part.kind !== 'concat') return [{ kind: 'unknown' }, { kind: 'unknown' }];
  const [protocol, port] = part.parts;
  const of = meta('l4proto');
  const [one, other] = reader.pair.map(({ read, bits }) => ({
    needs: [],
    read,
    bits,
    why: { kind: 'free', reason: 'set contents' } as const,
  }));
  return [keyTest(protocol!, of, one!, context), keyTest(port!, payload('th', 'dport'), other!, context)];
}

const WITH_PORTS: readonly number[] = [6, 17, 132, 136];
const ICMP: readonly number[] = [1, 58];

/** pfxlen.c get_port: type and code of ICMP stand for a port, and protocols without one have port 0. */
function portReader(field: 'sport' | 'dport', { slots }: Context): PortReader {
  const protocol = slots.of('proto', 8);
  const port = slots.of(field, 16);
  const type = slots.of('icmptype', 8);
  const code = slots.of('icmpcode', 8);
  const known = (walker: Walker, slot: number): number | undefined => {
    const value = walker.cells[slot];
    return typeof value === 'number' ? value : undefined;
  };
  return {
    pair: [
      { bits: 8, read: (walker) => known(walker, protocol) },
      {
        bits: 16,
        read: (walker) => {
          const of = known(walker, protocol);
          if (of === undefined || WITH_PORTS.includes(of)) return known(walker, port);
          if (!ICMP.includes(of)) return 0;
          const [high, low] = [known(walker, type), known(walker, code)];
          return high === undefined || low === undefined ? undefined : high * 256 + low;
        },
      },
    ],
  };
}

/** Of the entries that hold it the one with the longest prefixes decides, since it may be an exception. */
function findEntry(
  set: Ipset,
  tests: readonly (readonly KeyTest[])[],
  wantsException: boolean,
): (values: readonly Found[]) => boolean | undefined {
  const complete = set.unknown.length === 0;
  if (!wantsException && set.entries.every(({ nomatch }) => !nomatch)) {
    const find = lookupMany(tests);
    return (values) => {
      const at = find(values);
      return at === undefined ? undefined : at >= 0 ? true : complete ? false : undefined;
    };
  }
  const byLength = set.entries
    .map((entry, i) => ({ entry, tests: tests[i]!, length: lengthOf(entry) }))
    .sort((a, b) => b.length - a.length);
  return (values) => {
    if (!complete) return undefined;
    for (const { entry, tests: asked } of byLength) {
      const holds = allHold(asked, values);
      if (holds === undefined) return undefined;
      if (holds) return entry.nomatch === wantsException;
    }
    return false;
  };
}

function lengthOf({ parts }: IpsetEntry): number {
  return parts.reduce((sum, part) => {
    if (part.kind === 'prefix') return sum + part.prefix.length;
    return part.kind === 'address' ? sum + bitsOf(part.address.family) : sum;
  }, 0);
}

function holdsList(set: Ipset, statement: IpsetMatch, context: Context, depth: number): Holds {
  const members = set.entries.map(({ parts: [member] }) =>
    member?.kind === 'symbol' ? holdsOf(member.name, statement, context, depth + 1) : NOT_KNOWN,
  );
  if (set.unknown.length > 0) members.push(NOT_KNOWN);
  return (walker) => {
    let unknown = false;
    for (const holds of members) {
      const found = holds(walker);
      if (found === true) return true;
      if (found === undefined) unknown = true;
    }
    return unknown ? undefined : false;
  };
}
