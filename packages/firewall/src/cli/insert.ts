// moat insert N RULE, moat prepend RULE
import { insertRule, prependRule } from '../policy/edit.ts';
import { editVerb } from './change-verb.ts';
import type { Context } from './context.ts';
import { say } from './say.ts';
import { mistake, typedSentence } from './words.ts';

export async function insertVerb(context: Context, args: readonly string[]): Promise<void> {
  const [, number = ''] = args;
  if (!/^-?[0-9]+$/.test(number)) {
    const problem = {
      code: 'number',
      line: 1,
      column: 'insert '.length + 1,
      length: Math.max(1, number.length),
      message: 'where shall the rule go?',
      expected: 'the number that it shall have, then the rule: insert 1 deny from 192.0.2.9',
      found: number,
      hint: '`moat status numbered` shows the numbers; `moat prepend` puts a rule first',
    };
    return say(context, mistake([problem], args.join(' ')));
  }
  const where = { line: 1, column: 'insert '.length + 1, length: number.length };
  await insertTyped(context, args, 2, (file, rule) => insertRule(file, Number(number), rule, where));
}

export function prependVerb(context: Context, args: readonly string[]): Promise<void> {
  return insertTyped(context, args, 1, prependRule);
}

async function insertTyped(
  context: Context,
  args: readonly string[],
  skip: number,
  edit: (...of: Parameters<typeof prependRule>) => ReturnType<typeof prependRule>,
): Promise<void> {
  const parsed = typedSentence(args, context.services, skip);
  if (!parsed.ok) return say(context, parsed.answer);
  const { sentence } = parsed.typed;
  if (sentence.kind !== 'rule') return say(context, notARule(args, skip));
  await editVerb(context, parsed.typed, (file) => edit(file, sentence));
}

/** The answer to `insert 1 default deny` and the like. */
export function notARule(args: readonly string[], skip: number) {
  const column = args.slice(0, skip).join(' ').length + 2;
  const problem = {
    code: 'not-a-rule',
    line: 1,
    column,
    length: args[skip]?.length ?? 1,
    message: 'only rules have a place',
    expected: 'allow, deny, reject or limit',
    found: args[skip] ?? '',
    hint: undefined,
  };
  return mistake([problem], args.join(' '));
}
