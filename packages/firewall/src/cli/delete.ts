// moat delete RULE, moat delete N …, moat delete group NAME, moat delete expect …
import { deleteNumbers, deleteRule } from '../policy/edit.ts';
import { removeExpectation, removeGroup } from '../policy/edit-settings.ts';
import type { PolicyFile } from '../policy/file.ts';
import { formatSentence } from '../policy/print.ts';
import { editVerb } from './change-verb.ts';
import type { Context } from './context.ts';
import { say } from './say.ts';
import { typedRule, typedSentence } from './words.ts';

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
    const span = { line: 1, column, length: name.length };
    return editVerb(context, typed, (file) => removeGroup(file, name, span), `Group ${name}`);
  }
  if (rest[0]?.toLowerCase() === 'expect') {
    const parsed = typedSentence(args, context.services, 1);
    if (!parsed.ok) return say(context, parsed.answer);
    const { sentence } = parsed.typed;
    if (sentence.kind !== 'expect') throw new Error(`${sentence.kind} is not an expectation`);
    const remove = (file: PolicyFile) => removeExpectation(file, sentence, where);
    const told = { ...parsed.typed, warnings: [] };
    return editVerb(context, told, remove, `\`${formatSentence({ ...sentence, comment: undefined })}\``);
  }
  const example = `moat delete allow ${rest.length === 1 ? rest[0] : '22'}`;
  const parsed = typedRule(args, context.services, 1, {
    example,
    or: ', or numbers, or `group NAME`, or `expect …`',
  });
  if (!parsed.ok) return say(context, parsed.answer);
  const { sentence } = parsed.typed;
  // What is odd about a rule does not matter when it goes.
  await editVerb(context, { ...parsed.typed, warnings: [] }, (file) => deleteRule(file, sentence, where));
}
