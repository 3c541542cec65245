// One packet as a JSON object, of many in a file: what it may say, and what is wrong with one that does not.
import {
  CT_STATES,
  type FieldValue,
  type IpFamily,
  NO_INTERFACE,
  parseAddress,
  protocolNumber,
  type WalkPacket,
} from '@moat/netfilter';

export interface LineProblem {
  readonly expected: string;
  readonly given: string;
}

/** Several packets where it does not say which family it is of, or where it goes. */
export type PacketLine =
  | { readonly ok: true; readonly packets: readonly WalkPacket[] }
  | { readonly ok: false; readonly problem: LineProblem };

const HOOKS = ['input', 'forward', 'output'] as const;
const FAMILIES = ['ipv4', 'ipv6'] as const;
const KEYS = ['family', 'hook', 'in', 'out', 'src', 'dst', 'proto', 'sport', 'dport', 'state'] as const;
/** Protocols that have ports: a port says nothing of others. */
const WITH_PORTS: readonly number[] = [6, 17, 33, 132, 136];

type Key = (typeof KEYS)[number];

/** Null and empty texts are as left out; what is left out is free. */
export function readPacketLine(text: string): PacketLine {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return problem('one JSON object a line', text.trim() === '' ? 'an empty line' : text);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return problem('a JSON object', text);
  const given = value as Partial<Record<Key, unknown>>;
  for (const key of Object.keys(given)) {
    if (!KEYS.includes(key as Key)) return problem(`only the fields ${KEYS.join(', ')}`, `the field ${key}`);
  }
  return readFields(given);
}

function readFields(given: Partial<Record<Key, unknown>>): PacketLine {
  const problems: LineProblem[] = [];
  const read = <T>(key: Key, expected: string, parse: (value: unknown) => T | undefined): T | undefined => {
    const value = given[key];
    if (value === undefined || value === null || value === '') return undefined;
    const parsed = parse(value);
    if (parsed === undefined)
      problems.push({ expected: `${key}: ${expected}`, given: JSON.stringify(value) });
    return parsed;
  };
  const oneOf =
    <T extends string>(words: readonly T[]) =>
    (value: unknown): T | undefined =>
      words.find((word) => word === value);
  const family = read('family', FAMILIES.join(' or '), oneOf(FAMILIES));
  const hook = read('hook', HOOKS.join(', '), oneOf(HOOKS));
  const state = read('state', CT_STATES.join(', '), oneOf(CT_STATES));
  const [iif, oif] = (['in', 'out'] as const).map((key) =>
    read(key, 'the name of an interface', interfaceName),
  );
  const [src, dst] = (['src', 'dst'] as const).map((key) =>
    read(key, 'an address', (value) => (typeof value === 'string' ? parseAddress(value) : undefined)),
  );
  const proto = read('proto', 'a protocol by name, or its number from 0 to 255', protocol);
  const [sport, dport] = (['sport', 'dport'] as const).map((key) =>
    read(key, 'a port from 0 to 65535', port),
  );
  const families = [...new Set([family, src?.family, dst?.family].filter((each) => each !== undefined))];
  if (families.length > 1)
    problems.push({ expected: 'one family for family, src and dst', given: families.join(' and ') });
  if (hook === 'input' && oif !== undefined && oif !== NO_INTERFACE)
    problems.push({ expected: 'no out: a packet to this host goes out by no interface', given: oif });
  if (hook === 'output' && iif !== undefined && iif !== NO_INTERFACE)
    problems.push({ expected: 'no in: a packet of this host came in by no interface', given: iif });
  const hasPorts = proto === undefined || WITH_PORTS.includes(proto);
  for (const [key, value] of [
    ['sport', sport],
    ['dport', dport],
  ] as const) {
    if (!hasPorts && value !== undefined && value !== 0)
      problems.push({ expected: `no ${key}: protocol ${proto} has no ports`, given: String(value) });
  }
  const [first] = problems;
  if (first !== undefined) return { ok: false, problem: first };
  const fields: Record<string, FieldValue> = {};
  const known = { iif, oif, src, dst, proto, state, ...(hasPorts ? { sport, dport } : {}) };
  for (const [name, field] of Object.entries(known)) if (field !== undefined) fields[name] = field;
  const packets = (families.length === 1 ? families : FAMILIES).flatMap((each: IpFamily) =>
    (hook === undefined ? HOOKS : [hook]).map((at) => ({ family: each, hook: at, fields })),
  );
  return { ok: true, packets };
}

/** net/core/dev.c dev_valid_name. */
function interfaceName(value: unknown): string | undefined {
  return typeof value === 'string' && /^[^\s/:]{1,15}$/.test(value) ? value : undefined;
}

function protocol(value: unknown): number | undefined {
  if (typeof value === 'string') {
    const known = protocolNumber(value.toLowerCase());
    return known ?? (/^[0-9]{1,3}$/.test(value) ? protocol(Number(value)) : undefined);
  }
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 255
    ? value
    : undefined;
}

function port(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 65535
    ? value
    : undefined;
}

function problem(expected: string, given: string): PacketLine {
  return { ok: false, problem: { expected, given: given.length > 200 ? `${given.slice(0, 200)}…` : given } };
}
