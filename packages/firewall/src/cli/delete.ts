// moat delete RULE, moat delete N …, moat delete group NAME
import { deleteNumbers, deleteRule } from '../policy/edit.ts';
import { removeGroup } from '../policy/edit-settings.ts';
import { editVerb } from './change-verb.ts';
import type { Context } from './context.ts';
import { notARule } from './insert.ts';
import { say } from './say.ts';
import { typedSentence } from './words.ts';

export async function deleteVerb(context: Context, args: readonly string[]): Promise<void> {
  const text = args.join(' ');
  const where = {
    line: 1,
    column: 'delete '.length + 1,
    length: Math.max(1, text.length - 'delete '.length),
  };
  const rest = args.slice(1);
  const typed = { text, warnings: [] };
  if (rest.length > 0 && rest.every((word) => /^-?[0-9]+$/.test(word))) {
    return editVerb(context, typed, (file) => deleteNumbers(file, rest.map(Number), where));
  }
  if (rest.length === 2 && rest[0]?.toLowerCase() === 'group') {
    const column = where.column + rest[0].length + 1;
    const name = rest[1]!;
    return editVerb(context, typed, (file) =>
      removeGroup(file, name, { line: 1, column, length: name.length }),
    );
  }
  const parsed = typedSentence(args, context.services, 1);
  if (!parsed.ok) return say(context, parsed.answer);
  const { sentence } = parsed.typed;
  if (sentence.kind !== 'rule') return say(context, notARule(args, 1));
  await editVerb(context, parsed.typed, (file) => deleteRule(file, sentence, where));
}
