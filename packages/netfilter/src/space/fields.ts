// Which variables a packet has: named fields of contiguous bits, and the orders in which they can stand.
import { bitsOf, type IpFamily } from '../net/address.ts';

/** A number of so many bits. */
export interface NumberField {
  readonly kind: 'number';
  readonly name: string;
  readonly bits: number;
}

/**
 * One of a few words, such as interface names. The last one takes all codes that are left over, so it is the one for
 * "any other", if there is such a value; the complement of some words is always the union of the others.
 */
export interface WordField {
  readonly kind: 'words';
  readonly name: string;
  readonly words: readonly string[];
}

export type FieldSpec = NumberField | WordField;

/** A field with its place: its most significant bit is the variable of level `first`. */
export type Field = FieldSpec & { readonly bits: number; readonly first: number };

/**
 * A part of another field's bits under its own name: an ICMP type is the upper half of the destination port, which an
 * ICMP packet does not have.
 */
export interface FieldSlice {
  readonly kind: 'slice';
  readonly name: string;
  readonly of: string;
  readonly bits: number;
  readonly first: number;
}

export interface Layout {
  readonly family: IpFamily;
  readonly order: VariableOrder;
  /** In the order of their variables. `addField` puts more at the end. */
  readonly fields: readonly Field[];
  readonly slices: readonly FieldSlice[];
  /** How many variables there are. */
  readonly levels: number;
}

/**
 * Which addresses and ports come first. None is best for all rulesets (the best and the worst differ by a factor of 4
 * for real ones and by more for made ones), so `inSomeOrder` tries one after the other within a budget.
 */
export const VARIABLE_ORDERS = {
  F: ['proto', 'tcpflags', 'dst', 'dport', 'src', 'sport'],
  B: ['src', 'dst', 'proto', 'tcpflags', 'dport', 'sport'],
  A: ['proto', 'tcpflags', 'dport', 'dst', 'src', 'sport'],
  G: ['proto', 'tcpflags', 'src', 'dport', 'dst', 'sport'],
} as const;

export type VariableOrder = keyof typeof VARIABLE_ORDERS;

/** Names of interfaces that are not told apart. */
export const OTHER_INTERFACE = '*';
/** A packet without an interface: `iif` on the output hook, `oif` on the input hook. */
export const NO_INTERFACE = '-';

export const CT_STATES = ['invalid', 'new', 'established', 'related', 'untracked'] as const;

export interface LayoutOptions {
  readonly family: IpFamily;
  /** The interfaces that are told apart; all others are OTHER_INTERFACE. */
  readonly interfaces?: readonly string[];
  /** More fields: conntrack status bits, marks, owners, and one bit for each thing that nobody can know. */
  readonly fields?: readonly FieldSpec[];
  /** Default `F`. */
  readonly order?: VariableOrder;
}

/**
 * The fields of a packet: `state` (CT_STATES), `iif`, `oif`, then `src`, `dst`, `proto`, `sport` and `dport` in the
 * chosen order, `tcpflags` (as in the header, `fin` lowest), then what the caller adds. What is not looked at costs
 * nothing. Bits that somebody quantifies away, such as unknowns, belong at the end, where they do not multiply.
 */
export function packetLayout(options: LayoutOptions): Layout {
  const { family, interfaces = [], fields: more = [], order = 'F' } = options;
  const names = [NO_INTERFACE, ...interfaces, OTHER_INTERFACE];
  const addresses = bitsOf(family);
  const core = { proto: 8, tcpflags: 8, dst: addresses, dport: 16, src: addresses, sport: 16 };
  const specs: FieldSpec[] = [
    { kind: 'words', name: 'state', words: CT_STATES },
    { kind: 'words', name: 'iif', words: names },
    { kind: 'words', name: 'oif', words: names },
    ...VARIABLE_ORDERS[order].map((name): FieldSpec => ({ kind: 'number', name, bits: core[name] })),
    ...more,
  ];
  const fields: Field[] = [];
  let first = TOP_LEVELS;
  for (const spec of specs) {
    if (fields.some(({ name }) => name === spec.name)) throw new Error(`two fields named ${spec.name}`);
    const bits = bitsOfSpec(spec);
    fields.push({ ...spec, bits, first });
    first += bits;
  }
  const dport = fields.find(({ name }) => name === 'dport')!;
  const slices: FieldSlice[] = [
    { kind: 'slice', name: 'icmptype', of: 'dport', bits: 8, first: dport.first },
    { kind: 'slice', name: 'icmpcode', of: 'dport', bits: 8, first: dport.first + 8 },
  ];
  return { family, order, fields, slices, levels: first };
}

/** Puts one more field at the end, where it moves no other: whoever finds late that rules look at it. */
export function addField(layout: Layout, spec: FieldSpec): Field {
  if (hasField(layout, spec.name)) throw new Error(`two fields named ${spec.name}`);
  const field = { ...spec, bits: bitsOfSpec(spec), first: layout.levels };
  const grown = layout as unknown as { fields: Field[]; levels: number };
  grown.fields.push(field);
  namesOf(layout).set(field.name, field);
  grown.levels += field.bits;
  return field;
}

/** Levels above all fields. */
const TOP_LEVELS = 16;

/**
 * Puts one more field above all others if there is still room, else at the end. On top belongs what decides by itself
 * about most packets: at the end it would stand in a copy of everything.
 */
export function addFieldOnTop(layout: Layout, spec: FieldSpec): Field {
  const bits = bitsOfSpec(spec);
  const first = layout.fields[0]!.first - bits;
  if (first < 0) return addField(layout, spec);
  if (hasField(layout, spec.name)) throw new Error(`two fields named ${spec.name}`);
  const field = { ...spec, bits, first };
  (layout.fields as Field[]).unshift(field);
  namesOf(layout).set(field.name, field);
  return field;
}

/** Whether there is a field, or a part of one, of this name. */
export function hasField(layout: Layout, name: string): boolean {
  return namesOf(layout).has(name);
}

function bitsOfSpec(spec: FieldSpec): number {
  return spec.kind === 'number' ? spec.bits : Math.max(1, 32 - Math.clz32(spec.words.length - 1));
}

/** The field or part of a field of this name; a name that there is not is a bug of the caller and throws. */
export function fieldOf(layout: Layout, name: string): Field | FieldSlice {
  const field = namesOf(layout).get(name);
  if (field === undefined)
    throw new Error(`no field ${name} among ${layout.fields.map((each) => each.name).join(', ')}`);
  return field;
}

/** Fields by name: there may be thousands, one for each thing that nobody can know. */
const NAMES = new WeakMap<Layout, Map<string, Field | FieldSlice>>();

function namesOf(layout: Layout): Map<string, Field | FieldSlice> {
  let names = NAMES.get(layout);
  if (names === undefined) {
    names = new Map([...layout.slices, ...layout.fields].map((field) => [field.name, field]));
    NAMES.set(layout, names);
  }
  return names;
}

/** The levels of the field's bits, the most significant first. */
export function levelsOf(field: { readonly first: number; readonly bits: number }): number[] {
  return Array.from({ length: field.bits }, (_, i) => field.first + i);
}

/** The codes of a word: one, and for the last word all the rest. */
export function wordCodes(field: Field & WordField, word: string): { first: bigint; last: bigint } {
  const code = field.words.indexOf(word);
  if (code < 0) throw new Error(`${field.name} is one of ${field.words.join(', ')}, not ${word}`);
  const last = code === field.words.length - 1 ? (1 << field.bits) - 1 : code;
  return { first: BigInt(code), last: BigInt(last) };
}
