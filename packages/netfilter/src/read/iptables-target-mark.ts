// iptables targets that write marks and header fields.

import { ct, type Expression, meta, type Operand, operand, payload } from '../model/expression.ts';
import type { XtOption } from '../model/extension.ts';
import { DSCP, named } from '../model/names.ts';
import type { Statement } from '../model/statement.ts';
import { number, symbol, type Value } from '../model/value.ts';
import { type Extension, wordAfter } from './iptables-extension.ts';
import { TOS_NAMES, trafficClass } from './iptables-match-header.ts';
import { parseMasked, parseNumber } from './iptables-value.ts';

const ALL = 0xffff_ffff;

function set(key: Expression, value: Operand): readonly Statement[] {
  return [{ kind: 'mangle', key, value }];
}

/** What is left of `of` without the bits of `cleared`. */
function without(of: Expression, cleared: number, width: number): Expression {
  const kept = (~cleared & width) >>> 0;
  return kept === width ? of : { kind: 'mask', of, mask: number(kept) };
}

/** `(field & ~mask) ^ value`, written as nft writes it. */
function exchange(field: Expression, value: number, mask: number, width = ALL): readonly Statement[] {
  const kept = (~mask & width) >>> 0;
  if (kept === 0) return set(field, number(value));
  if (value === 0) return set(field, operand(without(field, mask, width)));
  // Bits that are cleared first come out the same with `|`, and so do bits that are cleared and set.
  const apart = (value & kept) === 0;
  const left = apart && value === mask ? field : without(field, mask, width);
  return set(field, operand({ kind: 'bits', operator: apart ? '|' : '^', left, right: number(value) }));
}

/** `--set-xmark`, `--tproxy-mark`: VALUE[/MASK], the bits of the mask are cleared, then those of the value flipped. */
export function setMark(field: Expression, text: string): readonly Statement[] | undefined {
  const masked = parseMasked(text);
  return masked === undefined ? undefined : exchange(field, masked.value, masked.mask);
}

/** `--set-mark` clears the bits of the mask and sets those of the value. */
function orMark(field: Expression, text: string): readonly Statement[] | undefined {
  const masked = parseMasked(text);
  return masked === undefined ? undefined : exchange(field, masked.value, (masked.value | masked.mask) >>> 0);
}

const MARK_OPTIONS = {
  '--set-xmark': 1,
  '--set-mark': 1,
  '--and-mark': 1,
  '--or-mark': 1,
  '--xor-mark': 1,
};

function readMarkOption(field: Expression, { name, values }: XtOption): readonly Statement[] | undefined {
  const text = values[0] ?? '';
  const value = parseNumber(text);
  switch (name) {
    case '--set-xmark':
      return setMark(field, text);
    case '--set-mark':
      return orMark(field, text);
    case '--and-mark':
      return value === undefined ? undefined : exchange(field, 0, (~value & ALL) >>> 0);
    case '--or-mark':
      return value === undefined ? undefined : exchange(field, value, value);
    case '--xor-mark':
      return value === undefined ? undefined : exchange(field, value, 0);
    default:
      return undefined;
  }
}

/** `(to & ~cleared) ^ (from & taken)`: xt_connmark.c connmark_tg. */
function copyMark(to: Expression, from: Expression, cleared: number, taken: number): readonly Statement[] {
  const source = without(from, (~taken & ALL) >>> 0, ALL);
  if (cleared === ALL) return set(to, operand(source));
  const left = without(to, cleared, ALL);
  // Disjoint bits come out the same with `|`.
  const operator = (taken & ~cleared) === 0 ? '|' : '^';
  return set(to, operand({ kind: 'bits', operator, left, right: operand(source) }));
}

function readConnmark(options: readonly XtOption[]): readonly Statement[] | undefined {
  const copies = ['--save-mark', '--restore-mark'];
  const copy = options.find(({ name }) => copies.includes(name));
  if (copy === undefined) return options.length === 1 ? readMarkOption(ct('mark'), options[0]!) : undefined;
  const known = [...copies, '--mask', '--nfmask', '--ctmask'];
  if (options.some(({ name }) => !known.includes(name))) return undefined;
  const mask = wordAfter(options, '--mask');
  const nfmask = parseNumber(wordAfter(options, '--nfmask') ?? mask ?? '0xffffffff');
  const ctmask = parseNumber(wordAfter(options, '--ctmask') ?? mask ?? '0xffffffff');
  if (nfmask === undefined || ctmask === undefined) return undefined;
  return copy.name === '--save-mark'
    ? copyMark(ct('mark'), meta('mark'), ctmask, nfmask)
    : copyMark(meta('mark'), ct('mark'), nfmask, ctmask);
}

/** The value is a byte of the header: VALUE[/MASK]. */
function readTos(options: readonly XtOption[], family: 'ip' | 'ip6'): readonly Statement[] | undefined {
  const [option, ...more] = options;
  if (option === undefined || more.length > 0) return undefined;
  const text = option.values[0] ?? '';
  const field = trafficClass(family);
  const masked = parseMasked(TOS_NAMES.get(text.toLowerCase()) ?? text);
  if (masked === undefined || masked.value > 255) return undefined;
  const { value } = masked;
  const mask = masked.mask & 255;
  switch (option.name) {
    case '--set-tos':
      return exchange(field, value, TOS_NAMES.has(text.toLowerCase()) ? 0x3f : mask | value, 255);
    case '--set-xtos':
      return exchange(field, value, mask, 255);
    case '--and-tos':
      return exchange(field, 0, ~value & 255, 255);
    case '--or-tos':
      return exchange(field, value, value, 255);
    case '--xor-tos':
      return exchange(field, value, 0, 255);
    default:
      return undefined;
  }
}

/** Adding and taking away is nothing that nft has an expression for: what comes out is not known. */
function hops(field: Expression, name: string): Extension {
  return {
    options: { [`--${name}-set`]: 1, [`--${name}-inc`]: 1, [`--${name}-dec`]: 1 },
    read: ([option]) => {
      const value = parseNumber(option?.values[0] ?? '');
      if (option === undefined || value === undefined) return undefined;
      return option.name.endsWith('-set')
        ? set(field, number(value))
        : set(field, { kind: 'unknown', raw: `${option.name} ${value}` });
    },
  };
}

function maxseg(options: readonly XtOption[]): readonly Statement[] | undefined {
  const field: Expression = { kind: 'tcp option', name: 'maxseg', field: 'size' };
  const size = parseNumber(wordAfter(options, '--set-mss') ?? '');
  if (size !== undefined) return set(field, number(size));
  return options[0]?.name === '--clamp-mss-to-pmtu'
    ? set(field, operand({ kind: 'rt', key: 'mtu' }))
    : undefined;
}

function dscpValue(options: readonly XtOption[]): Value | undefined {
  const value = parseNumber(wordAfter(options, '--set-dscp') ?? '');
  const byClass = DSCP.get((wordAfter(options, '--set-dscp-class') ?? '').toLowerCase());
  const chosen = value ?? byClass;
  return chosen === undefined ? undefined : named(DSCP, chosen);
}

export const MARK_TARGETS: Readonly<Record<string, Extension>> = {
  MARK: {
    options: MARK_OPTIONS,
    read: (options) => (options.length === 1 ? readMarkOption(meta('mark'), options[0]!) : undefined),
  },
  CONNMARK: {
    options: {
      ...MARK_OPTIONS,
      '--save-mark': 0,
      '--restore-mark': 0,
      '--mask': 1,
      '--nfmask': 1,
      '--ctmask': 1,
      '--left-shift-mark': 1,
      '--right-shift-mark': 1,
    },
    read: readConnmark,
  },
  TOS: {
    options: { '--set-tos': 1, '--set-xtos': 1, '--and-tos': 1, '--or-tos': 1, '--xor-tos': 1 },
    read: (options, { family }) => readTos(options, family),
  },
  DSCP: {
    options: { '--set-dscp': 1, '--set-dscp-class': 1 },
    read: (options, { family }) => {
      const value = dscpValue(options);
      return value === undefined ? undefined : set(payload(family, 'dscp'), value);
    },
  },
  TTL: hops(payload('ip', 'ttl'), 'ttl'),
  HL: hops(payload('ip6', 'hoplimit'), 'hl'),
  TCPMSS: { options: { '--set-mss': 1, '--clamp-mss-to-pmtu': 0 }, read: maxseg },
  CLASSIFY: {
    options: { '--set-class': 1 },
    read: (options) => {
      const text = wordAfter(options, '--set-class');
      return text === undefined ? undefined : set(meta('priority'), symbol(text));
    },
  },
  TRACE: { options: {}, read: () => set(meta('nftrace'), number(1)) },
};
