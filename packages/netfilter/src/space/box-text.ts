// A box in words: `198.51.100.0/24, 203.0.113.7 × tcp × 22,80-90`.
import { formatAddress } from '../net/address.ts';
import { type Interval, type IntervalSet, subtractIntervals } from '../net/interval.ts';
import { formatPrefix, intervalPrefixes } from '../net/prefix.ts';
import type { Box, BoxValues } from './boxes.ts';
import type { Mask } from './classes.ts';
import { protocolName } from './field-match.ts';
import type { Field, Layout } from './fields.ts';

export interface BoxTextOptions {
  /** Values of a field that are written out; the others are counted. Default 8. */
  readonly values?: number;
}

/** What stands before the values of a field, and in which order the fields are written. The others follow, by name. */
const WORDS_BEFORE: readonly (readonly [field: string, before: string])[] = [
  ['src', ''],
  ['dst', 'to '],
  ['proto', ''],
  ['sport', 'from port '],
  ['dport', ''],
  ['iif', 'in '],
  ['oif', 'out '],
  ['state', ''],
];

/** The box in one line; `anything` for the box of all packets. Where fewer values are missing than there are, those. */
export function formatBox(layout: Layout, box: Box, options: BoxTextOptions = {}): string {
  const known = WORDS_BEFORE.map(([name]) => name);
  const others = layout.fields.filter(({ name }) => !known.includes(name));
  const places = [...WORDS_BEFORE, ...others.map(({ name }) => [name, `${name} `] as const)];
  const icmp = isIcmp(layout, box);
  const parts = places.flatMap(([name, before]) => {
    const values = box[name];
    if (values === undefined) return [];
    const field = layout.fields.find((each) => each.name === name)!;
    const text = icmp && name === 'dport' ? formatIcmp : undefined;
    return [before + formatValues(layout, field, values, options.values ?? 8, text)];
  });
  return parts.join(' × ') || 'anything';
}

/** The values of one field, as in `formatBox`; undefined: any. */
export function formatBoxField(
  layout: Layout,
  box: Box,
  name: string,
  options: BoxTextOptions = {},
): string | undefined {
  const values = box[name];
  const field = layout.fields.find((each) => each.name === name);
  if (values === undefined || field === undefined) return undefined;
  const special = name === 'dport' && isIcmp(layout, box) ? formatIcmp : undefined;
  return formatValues(layout, field, values, options.values ?? 8, special);
}

function isIcmp(layout: Layout, box: Box): boolean {
  const proto = box['proto'];
  if (proto?.kind !== 'intervals') return false;
  const number = layout.family === 'ipv4' ? 1n : 58n;
  return proto.intervals.every(({ first, last }) => first === number && last === number);
}

function formatValues(
  layout: Layout,
  field: Field,
  values: BoxValues,
  limit: number,
  special?: (interval: Interval<bigint>) => string,
): string {
  if (values.kind === 'masks') {
    return listed(
      values.masks.map((each) => formatMask(field, each)),
      values.masks.length,
      limit,
    );
  }
  if (values.kind === 'words') {
    if (field.kind !== 'words') throw new Error(`${field.name} has no words`);
    const missing = field.words.filter((word) => !values.words.includes(word));
    if (missing.length < values.words.length) return `not ${listed(missing, missing.length, limit)}`;
    return listed(values.words, values.words.length, limit);
  }
  const spell = (intervals: IntervalSet<bigint>) => spelled(layout, field, intervals, limit, special);
  const missing = subtractIntervals([{ first: 0n, last: (1n << BigInt(field.bits)) - 1n }], values.intervals);
  const given = spell(values.intervals);
  const rest = spell(missing);
  return rest.count < given.count ? `not ${rest.text}` : given.text;
}

/** Text, and of how many values it is. */
function spelled(
  layout: Layout,
  field: Field,
  intervals: IntervalSet<bigint>,
  limit: number,
  special: ((interval: Interval<bigint>) => string) | undefined,
): { text: string; count: number } {
  const isAddress = field.name === 'src' || field.name === 'dst';
  const texts: string[] = [];
  let count = 0;
  for (const interval of intervals) {
    if (isAddress) {
      const prefixes = intervalPrefixes(layout.family, interval);
      // A range that takes many networks is shorter as a range.
      const { family } = layout;
      const range = () =>
        [interval.first, interval.last].map((value) => formatAddress({ family, value })).join('-');
      const each = prefixes.length <= 4 ? prefixes.map(formatPrefix) : [range()];
      count += each.length;
      if (texts.length <= limit) texts.push(...each);
    } else {
      count++;
      if (texts.length <= limit) texts.push(special?.(interval) ?? formatInterval(field, interval));
    }
  }
  return { text: listed(texts, count, limit, isAddress ? ', ' : ','), count };
}

function formatInterval(field: Field, { first, last }: Interval<bigint>): string {
  const text = field.name === 'proto' ? protocolName : String;
  return first === last ? text(first) : `${text(first)}-${text(last)}`;
}

/** The destination port's bits as those of an ICMP type and code. */
function formatIcmp({ first, last }: Interval<bigint>): string {
  const [type, code] = [first >> 8n, first & 255n];
  const [lastType, lastCode] = [last >> 8n, last & 255n];
  if (code === 0n && lastCode === 255n) return `type ${type === lastType ? type : `${type}-${lastType}`}`;
  if (type !== lastType) return `type ${type} code ${code} to type ${lastType} code ${lastCode}`;
  return `type ${type} code ${code === lastCode ? code : `${code}-${lastCode}`}`;
}

function formatMask(field: Field, { mask, value }: Mask): string {
  const digits = Math.ceil(field.bits / 4);
  return `0x${value.toString(16).padStart(digits, '0')}/0x${mask.toString(16).padStart(digits, '0')}`;
}

function listed(texts: readonly string[], count: number, limit: number, comma = ', '): string {
  const shown = texts.slice(0, limit).join(comma);
  return count > limit ? `${shown} and ${count - limit} more` : shown;
}
