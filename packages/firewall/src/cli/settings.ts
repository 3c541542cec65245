// moat default …, moat logging …, moat group …, moat expect …
import type { Edit } from '../policy/edit.ts';
import { addExpectation, addToGroup, setDefault, setLogging } from '../policy/edit-settings.ts';
import type { PolicyFile } from '../policy/file.ts';
import { formatSentence } from '../policy/print.ts';
import { editVerb } from './change-verb.ts';
import type { Context } from './context.ts';
import { say } from './say.ts';
import { typedSentence } from './words.ts';

export async function settingsVerb(context: Context, args: readonly string[]): Promise<void> {
  const parsed = typedSentence(args, context.services);
  if (!parsed.ok) return say(context, parsed.answer);
  const { sentence } = parsed.typed;
  const edit = (file: PolicyFile): Edit => {
    switch (sentence.kind) {
      case 'default':
        return setDefault(file, sentence);
      case 'logging':
        return setLogging(file, sentence);
      case 'group':
        return addToGroup(file, sentence);
      case 'expect':
        return addExpectation(file, sentence);
      case 'rule':
        throw new Error('a rule has verbs of its own');
      default:
        throw new Error(sentence satisfies never);
    }
  };
  const subject = sentence.kind === 'group' ? `Group ${sentence.name}` : `\`${formatSentence(sentence)}\``;
  await editVerb(context, parsed.typed, edit, subject);
}
