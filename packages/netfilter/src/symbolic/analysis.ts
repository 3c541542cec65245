// One symbolic run: the space, the rulesets that are looked at in it, and the bits that stand for what nobody knows.
import type { Expression } from '../model/expression.ts';
import type { FreeReason } from '../model/extension.ts';
import type { Host } from '../model/host.ts';
import type { Rule, Ruleset } from '../model/ruleset.ts';
import type { Value } from '../model/value.ts';
import type { IpFamily } from '../net/address.ts';
import { PLACES, readingOf } from '../semantics/reading.ts';
import { addField, type FieldSpec, hasField, type WordField } from '../space/fields.ts';
import type { PacketSpace, PacketSpaceOptions } from '../space/packet-space.ts';
import { comparisonsOf, expressionsOf } from './comparisons.ts';

/** Why a bit is free: a condition that nobody can know, or a part that was not understood. */
export interface FreeBit {
  /** The field of the space. */
  readonly field: string;
  readonly reason: FreeReason | 'not understood';
  /** Absent for bits that the question itself leaves open. */
  readonly rule?: Rule;
}

/** Where all diagrams of a run live. Several rulesets may be read in one run, to be compared. */
export interface Analysis {
  readonly space: PacketSpace;
  readonly family: IpFamily;
  readonly host: Host | undefined;
  readonly typesAsGiven: boolean;
  /** By name of the field. */
  readonly free: Map<string, FreeBit>;
  /** Names of free fields by what they stand for: equal conditions of two rulesets are one bit. */
  readonly freeNames: Map<string, string>;
  /** Fields that some rule reads; writing any other has no effect on verdicts. */
  readonly read: ReadonlySet<string>;
}

export interface AnalysisInput {
  readonly family: IpFamily;
  readonly rulesets: readonly Ruleset[];
  readonly host?: Host | undefined;
  /** Types of addresses are whatever the fields `daddrtype` and `saddrtype` say, even of addresses like 127.0.0.1. */
  readonly typesAsGiven?: true;
  /** Interfaces that are told apart even if no rule names them. */
  readonly interfaces?: readonly string[];
}

/** The options of a space in which these rulesets can be analysed; add limits and an order as you like. */
export function spaceFor(input: AnalysisInput): PacketSpaceOptions {
  return { family: input.family, interfaces: interfaceWords(input), leaves: 16 };
}

/** Begins a run in a space that `spaceFor` described. */
export function beginAnalysis(space: PacketSpace, input: AnalysisInput): Analysis {
  const { family, rulesets, host, typesAsGiven = false } = input;
  const read = new Set<string>();
  for (const ruleset of rulesets)
    for (const of of expressionsOf(ruleset)) for (const field of fieldsReadBy(of, family)) read.add(field);
  const analysis = { space, family, host, typesAsGiven, free: new Map(), freeNames: new Map(), read };
  // Who is not tracked is read by everybody who asks for the state.
  if (rulesets.some(hasNotrack)) {
    read.add('early state');
    ensureField(analysis, { kind: 'words', name: 'early state', words: ['invalid', 'untracked'] });
  }
  return analysis;
}

function hasNotrack({ tables }: Ruleset): boolean {
  return tables.some(({ chains }) =>
    chains.some(({ rules }) =>
      rules.some(({ statements }) => statements.some(({ kind }) => kind === 'notrack')),
    ),
  );
}

function fieldsReadBy(of: Expression, family: IpFamily): string[] {
  return PLACES.filter((place) => place.family === family).flatMap((place) => {
    const reading = readingOf(of, place);
    if (!('field' in reading)) return [];
    return [reading.field, ...('needs' in reading ? reading.needs.map(({ field }) => field) : [])];
  });
}

/**
 * Names that rules compare interfaces with, those of the host, and for each name that ends in `*` a word that stands for
 * all others which begin so.
 */
function interfaceWords({ family, rulesets, host, interfaces = [] }: AnalysisInput): string[] {
  const words = new Set<string>([...interfaces, ...(host?.links.map(({ name }) => name) ?? [])]);
  for (const ruleset of rulesets)
    for (const { of, values } of comparisonsOf(ruleset)) {
      if (readingOf(of, { family, hook: 'forward', early: false }).kind !== 'name') continue;
      for (const value of values) {
        const name = interfaceName(value, host);
        if (name !== undefined && name !== '' && name !== '*') words.add(name);
      }
    }
  return [...words].sort();
}

/** The name in a comparison with an interface. An index is that of a link of the host, or stands for one unknown by name. */
export function interfaceName(value: Value, host: Host | undefined): string | undefined {
  if (value.kind === 'symbol') return value.name;
  if (value.kind !== 'number') return undefined;
  if (value.value === 0) return '';
  return host?.links.find(({ index }) => index === value.value)?.name ?? `#${value.value}`;
}

/** Whether the interface that a word of the space stands for has a name that the pattern is about. */
export function wordMatches(word: string, pattern: string): boolean {
  if (word === '-') return pattern === '' || pattern === '*';
  if (pattern === '*') return true;
  if (word === '*') return false;
  if (!pattern.endsWith('*')) return word === pattern;
  const start = pattern.slice(0, -1);
  return (word.endsWith('*') ? word.slice(0, -1) : word).startsWith(start);
}

/** The word of the space for an interface's name. */
export function interfaceWord(space: PacketSpace, name: string): string {
  const { words } = space.layout.fields.find((field) => field.name === 'iif') as WordField;
  if (name === '') return '-';
  if (words.includes(name)) return name;
  const wild = words.filter((word) => word.length > 1 && word.endsWith('*') && wordMatches(name, word));
  // The longest one is the narrowest.
  return wild.sort((a, b) => b.length - a.length)[0] ?? '*';
}

/** Adds the field to the space unless it is there. */
export function ensureField(analysis: Analysis, spec: FieldSpec): void {
  if (!hasField(analysis.space.layout, spec.name)) addField(analysis.space.layout, spec);
}

/** The field of `bits` bits that stands for something nobody can know; `what` names it across rulesets. */
export function freeField(
  analysis: Analysis,
  what: string,
  bits: number,
  bit: Omit<FreeBit, 'field'>,
): string {
  const known = analysis.freeNames.get(what);
  if (known !== undefined) return known;
  const field = `free ${analysis.freeNames.size + 1}`;
  analysis.freeNames.set(what, field);
  analysis.free.set(field, { field, ...bit });
  addField(analysis.space.layout, { kind: 'number', name: field, bits });
  return field;
}
