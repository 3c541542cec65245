// moat insert N RULE, moat prepend RULE
import { insertRule, prependRule } from '../policy/edit.ts';
import { editVerb } from './change-verb.ts';
import type { Context } from './context.ts';
import { say } from './say.ts';
import { mistake, typedRule } from './words.ts';

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
      found: number === '' ? '(nothing)' : number,
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
  const verb = args.slice(0, skip).join(' ');
  const parsed = typedRule(args, context.services, skip, { example: `moat ${verb} deny from 192.0.2.9` });
  if (!parsed.ok) return say(context, parsed.answer);
  const { typed } = parsed;
  await editVerb(context, typed, (file) => edit(file, typed.sentence));
}
