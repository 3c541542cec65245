// iptables matches that ask conntrack.

import { ct, type Expression } from '../model/expression.ts';
import type { XtOption } from '../model/extension.ts';
import { named } from '../model/names.ts';
import { match, type Statement } from '../model/statement.ts';
import { flags, number, symbol, type Value } from '../model/value.ts';
import { PROTOCOLS } from '../net/protocol.ts';
import { all, type Extension, extensionOf, type OptionReader } from './iptables-extension.ts';
import { maskedMatch, parseNetwork, parseNumber, parseNumberRange, parsePorts } from './iptables-value.ts';

const STATES = ['invalid', 'established', 'related', 'new', 'untracked'];
const STATUSES = ['expected', 'seen-reply', 'assured', 'confirmed'];

/** One of the bits, or (negated) none of them. */
function anyOf(left: Expression, names: readonly string[], negated: boolean): Statement {
  const right: Value = names.length === 1 ? symbol(names[0]!) : flags(names);
  return match(left, right, negated ? '!' : 'in');
}

/**
 * Any of the states; `DNAT` and `SNAT` are bits of the flow's status and not of its state. undefined: another word.
 */
function readStates(text: string, negated: boolean): readonly Statement[] | undefined {
  const words = text.toLowerCase().split(',');
  if (words.some((word) => !STATES.includes(word) && word !== 'dnat' && word !== 'snat')) return undefined;
  const states = STATES.filter((state) => words.includes(state));
  const statuses = ['snat', 'dnat'].filter((status) => words.includes(status));
  const state = states.length > 0 ? [anyOf(ct('state'), states, negated)] : [];
  if (statuses.length === 0) return state;
  const status = anyOf(ct('status'), statuses, negated);
  if (!negated) {
    return state.length === 0 ? [status] : [{ kind: 'or', branches: [state, [status]] }];
  }
  // A packet without a conntrack entry has no such bit, and so is none of these.
  return [...state, { kind: 'or', branches: [[noEntry()], [status]] }];
}

function noEntry(): Statement {
  return anyOf(ct('state'), ['invalid', 'untracked'], false);
}

function tuple(key: string, direction: 'original' | 'reply'): OptionReader {
  return (text, { negated }, { family }) => {
    const network = parseNetwork(text, family);
    if (network === undefined) return undefined;
    const field = ct(key, direction, family);
    const left: Expression =
      network.mask === undefined ? field : { kind: 'mask', of: field, mask: network.mask };
    return [match(left, network.value, negated ? '!=' : '==')];
  };
}

function tuplePort(key: string, direction: 'original' | 'reply'): OptionReader {
  return (text, { negated }) => {
    const ports = parsePorts(text);
    return ports === undefined ? undefined : [match(ct(key, direction), ports, negated ? '!=' : '==')];
  };
}

const conntrackOptions = extensionOf({
  '--ctstate': (text, { negated }) => readStates(text, negated),
  '--ctproto': (text, { negated }) => {
    const value = PROTOCOLS.get(text.toLowerCase()) ?? parseNumber(text);
    if (value === undefined) return undefined;
    return [match(ct('protocol', 'original'), named(PROTOCOLS, value), negated ? '!=' : '==')];
  },
  '--ctorigsrc': tuple('saddr', 'original'),
  '--ctorigdst': tuple('daddr', 'original'),
  '--ctreplsrc': tuple('saddr', 'reply'),
  '--ctrepldst': tuple('daddr', 'reply'),
  '--ctorigsrcport': tuplePort('proto-src', 'original'),
  '--ctorigdstport': tuplePort('proto-dst', 'original'),
  '--ctreplsrcport': tuplePort('proto-src', 'reply'),
  '--ctrepldstport': tuplePort('proto-dst', 'reply'),
  '--ctstatus': (text, { negated }) => {
    const words = text.toLowerCase().replaceAll('_', '-').split(',');
    // libxt_conntrack.c, xt_conntrack.c: a flow with none of no bits.
    if (words.join() === 'none') return [match(ct('status'), number(0), negated ? '!' : 'in')];
    if (words.some((word) => !STATUSES.includes(word))) return undefined;
    return [
      anyOf(
        ct('status'),
        STATUSES.filter((status) => words.includes(status)),
        negated,
      ),
    ];
  },
  '--ctexpire': (text, { negated }) => {
    const seconds = parseNumberRange(text, 0xffff_ffff);
    return seconds === undefined ? undefined : [match(ct('expiration'), seconds, negated ? '!=' : '==')];
  },
  '--ctdir': (text) => {
    const direction = text.toLowerCase();
    if (direction !== 'original' && direction !== 'reply') return undefined;
    return [match(ct('direction'), symbol(direction))];
  },
});

/**
 * xt_conntrack.c conntrack_mt: on a packet without a conntrack entry, state is all that is looked at, if it is asked
 * for; then the other options count as met.
 */
function readConntrack(
  options: readonly XtOption[],
  context: Parameters<Extension['read']>[1],
): readonly Statement[] | undefined {
  const read = (some: readonly XtOption[]) => conntrackOptions.read(some, context);
  const state = options.filter(({ name }) => name === '--ctstate');
  const others = options.filter(({ name }) => name !== '--ctstate');
  if (state.length === 0 || others.length === 0) return read(options);
  const stateStatements = read(state);
  const otherStatements = read(others);
  if (stateStatements === undefined || otherStatements === undefined) return undefined;
  if (!mayLackEntry(state[0]!)) return [...stateStatements, ...otherStatements];
  return [...stateStatements, { kind: 'or', branches: [[noEntry()], otherStatements] }];
}

function mayLackEntry({ values, negated }: XtOption): boolean {
  const words = (values[0] ?? '').toLowerCase().split(',');
  const listed = ['invalid', 'untracked'].filter((word) => words.includes(word)).length;
  return negated ? listed < 2 : listed > 0;
}

/** xt_connbytes counts with the flow's own counters. */
function readConnbytes(options: readonly XtOption[]): readonly Statement[] | undefined {
  const of = (name: string) => options.find((option) => option.name === name);
  const counted = of('--connbytes');
  const direction = of('--connbytes-dir')?.values[0];
  const mode = of('--connbytes-mode')?.values[0];
  const key = mode === 'avgpkt' ? 'avgpkt' : mode;
  const amount = parseNumberRange(counted?.values[0] ?? '', 0xffff_ffff);
  if (counted === undefined || amount === undefined || direction === undefined) return undefined;
  if (key !== 'bytes' && key !== 'packets' && key !== 'avgpkt') return undefined;
  const way = direction === 'original' || direction === 'reply' ? direction : undefined;
  const open = (counted.values[0] ?? '').split(':');
  if (open.length === 1 || open[1] === '') {
    const least = number(parseNumber(open[0] ?? '') ?? 0);
    return [match(ct(key, way), least, counted.negated ? '<' : '>=')];
  }
  return [match(ct(key, way), amount, counted.negated ? '!=' : '==')];
}

export const FLOW_MATCHES: Readonly<Record<string, Extension>> = {
  conntrack: { ...conntrackOptions, read: readConntrack },
  state: extensionOf({ '--state': (text, { negated }) => readStates(text, negated) }),
  connmark: extensionOf({ '--mark': (text, { negated }) => maskedMatch(ct('mark'), text, negated) }),
  helper: extensionOf({
    '--helper': (text, { negated }) =>
      text === '' ? undefined : [match(ct('helper'), symbol(text), negated ? '!=' : '==')],
  }),
  connlabel: {
    options: { '--label': 1, '--set': 0 },
    read: (options, context) => {
      const set = options.some(({ name }) => name === '--set');
      const label = extensionOf({
        '--label': (text, { negated }) => {
          const value = parseNumber(text);
          const of: Value = value === undefined ? symbol(text) : number(value);
          const asked = match(ct('label'), of, negated ? '!' : 'in');
          return set ? [{ kind: 'mangle', key: ct('label'), value: of }, asked] : [asked];
        },
      });
      return all([
        label.read(
          options.filter(({ name }) => name === '--label'),
          context,
        ),
      ]);
    },
  },
  connbytes: {
    options: { '--connbytes': 1, '--connbytes-dir': 1, '--connbytes-mode': 1 },
    read: readConnbytes,
  },
};
