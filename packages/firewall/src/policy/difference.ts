// What two policies say differently, sentence by sentence: text, not meaning.
import { type PolicyFileResult, parsePolicyFile } from './file.ts';
import { formatSentence } from './print.ts';
import type { Services } from './services.ts';

/**
 * The sentences that only one of two policy files has, in words: `+ allow 80`, `- allow 22`; those that went first.
 * Remarks, spelling and blank lines do not count. A file that cannot be read is compared by its lines.
 */
export function policyDifference(before: string, after: string, services: Services): string[] {
  const was = sayings(before, services);
  const is = sayings(after, services);
  const gone = without(was, is);
  const come = without(is, was);
  const lines = [...gone.map((text) => `- ${text}`), ...come.map((text) => `+ ${text}`)];
  if (lines.length > 0 || was.join('\n') === is.join('\n')) return lines;
  return ['the same sentences in another order'];
}

function sayings(text: string, services: Services): string[] {
  const parsed: PolicyFileResult = parsePolicyFile(text, services);
  if (parsed.ok)
    return parsed.file.lines.flatMap(({ sentence }) => (sentence ? formatSentence(sentence) : []));
  return text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
}

/** Each of `list` that `other` has not, as often as it has it more often. */
function without(list: readonly string[], other: readonly string[]): string[] {
  const left = new Map<string, number>();
  for (const text of other) left.set(text, (left.get(text) ?? 0) + 1);
  return list.filter((text) => {
    const count = left.get(text) ?? 0;
    left.set(text, count - 1);
    return count <= 0;
  });
}
