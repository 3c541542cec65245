// moat show rules [OWNER]
import { ownerNamed, ownersIn, type ShownChain, shownRules } from '../report/rules.ts';
import { rulesText } from '../report/rules-text.ts';
import type { Context } from './context.ts';
import { ExitCode } from './exit-code.ts';
import { readInput } from './input.ts';
import { type Answer, colour, say } from './say.ts';
import { badOwner } from './usage.ts';

/** `words`: what was typed after `moat`. */
export async function showRulesVerb(context: Context, words: readonly string[]): Promise<void> {
  const read = await readInput(context);
  if (!read.ok) return say(context, read.answer);
  const { ruleset, problems } = read.input;
  const word = words.slice(2).join(' ');
  const owners = ownersIn(ruleset);
  const owner = word === '' ? undefined : ownerNamed(word, owners);
  if (word !== '' && owner === undefined) return say(context, badOwner(words, owners));
  const shown = shownRules(ruleset, owner);
  const text = [
    rulesText(shown, colour.heading) || 'There are no rules: everything that arrives is let through.',
    ...problems.map(({ message }) => `note: ${message}`),
  ].join('\n');
  return say(context, {
    code: ExitCode.done,
    text,
    json: {
      owners,
      chains: [...shown.hooks.flatMap(({ chains }) => chains), ...shown.uncalled].flatMap(chainJson),
      notes: problems.map(({ message }) => message),
    },
  } satisfies Answer);
}

/** The chain, and behind it those that its rules call, each once. */
function chainJson(chain: ShownChain): readonly object[] {
  const { table, name, owner, base, again, rules } = chain;
  if (again) return [];
  const told = {
    family: table.family,
    table: table.name,
    source: table.source ?? null,
    chain: name,
    owner,
    base: base ?? null,
    rules: rules.map(({ words, owner, counted, rule, calls }) => ({
      words,
      owner,
      packets: counted?.packets ?? null,
      bytes: counted?.bytes ?? null,
      handle: rule.handle ?? rule.origin?.handle ?? null,
      line: rule.origin?.line ?? null,
      comment: rule.comment ?? null,
      calls: calls.map((called) => called.name),
    })),
  };
  return [told, ...rules.flatMap(({ calls }) => calls.flatMap(chainJson))];
}
