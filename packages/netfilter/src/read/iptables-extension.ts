// What a match or target of iptables is to the reader: its options and what they mean.
import type { XtOption } from '../model/extension.ts';
import type { Statement } from '../model/statement.ts';

/** What else of the rule an extension's meaning hangs on. */
export interface RuleContext {
  readonly family: 'ip' | 'ip6';
  /** nft's name of the protocol that `-p` asks for; undefined: none, or a negated one. */
  readonly protocol: string | undefined;
}

export interface Extension {
  /** Option → how many words follow it. */
  readonly options: Readonly<Record<string, number>>;
  /** Other spelling → option. */
  readonly aliases?: Readonly<Record<string, string>>;
  /** The conditions and effects, in order; undefined: not understood, and then nobody may guess. */
  readonly read: (options: readonly XtOption[], context: RuleContext) => readonly Statement[] | undefined;
}

/** One option → its conditions; undefined: not understood. */
export type OptionReader = (
  value: string,
  option: XtOption,
  context: RuleContext,
) => readonly Statement[] | undefined;

/** An extension whose options are conditions of their own that all have to hold. */
export function extensionOf(
  readers: Readonly<Record<string, OptionReader | readonly [words: number, OptionReader]>>,
  aliases: Readonly<Record<string, string>> = {},
): Extension {
  const entries = Object.entries(readers).map(([name, of]) => {
    const [words, reader] = typeof of === 'function' ? [1, of] : (of as readonly [number, OptionReader]);
    return { name, words, reader };
  });
  const byName = new Map(entries.map(({ name, reader }) => [name, reader]));
  return {
    options: Object.fromEntries(entries.map(({ name, words }) => [name, words])),
    aliases,
    read: (options, context) =>
      all(options.map((option) => byName.get(option.name)?.(option.values[0] ?? '', option, context))),
  };
}

/** Flattens; undefined if one part is not understood. */
export function all(parts: readonly (readonly Statement[] | undefined)[]): readonly Statement[] | undefined {
  const statements: Statement[] = [];
  for (const part of parts) {
    if (part === undefined) return undefined;
    statements.push(...part);
  }
  return statements;
}

/** The option of that name, if it was written. */
export function optionOf(options: readonly XtOption[], name: string): XtOption | undefined {
  return options.find((option) => option.name === name);
}

/** The first word after the option of that name. */
export function wordAfter(options: readonly XtOption[], name: string): string | undefined {
  return optionOf(options, name)?.values[0];
}
