// Words into a sentence: which of the constructs of the policy language a line is.
import { readExpectation } from './expect.ts';
import { readGroup } from './groups.ts';
import { ACTIONS, LATER, LOG_LEVELS, OPENERS, VERDICTS } from './keywords.ts';
import type { Sentence, Traffic } from './model.ts';
import { nearest } from './near.ts';
import type { Problem, Warning } from './problem.ts';
import { complain, isKeyword, peek, type Reader, takeKeyword } from './reader.ts';
import { readRule } from './rule.ts';
import type { Services } from './services.ts';
import type { Word } from './words.ts';

export type SentenceResult =
  | {
      readonly ok: true;
      readonly sentence: Sentence;
      readonly warnings: readonly Warning[];
      /** The words that name groups; whether these exist is the business of who knows all groups. */
      readonly groupWords: readonly Word[];
    }
  | { readonly ok: false; readonly problems: readonly Problem[] };

const TRAFFIC: Readonly<Record<string, Traffic>> = {
  incoming: 'incoming',
  input: 'incoming',
  outgoing: 'outgoing',
  output: 'outgoing',
  routed: 'routed',
  forward: 'routed',
};
/** What `default` may be about. */
export const TRAFFIC_WORDS: readonly string[] = Object.keys(TRAFFIC);

function readDefault(reader: Reader): Sentence | undefined {
  const traffic = () => TRAFFIC[takeKeyword(reader, ...TRAFFIC_WORDS) ?? ''];
  const first = traffic();
  const word = peek(reader);
  const verdict = takeKeyword(reader, ...VERDICTS);
  if (verdict === undefined) {
    const close = nearest(word?.text ?? '', VERDICTS);
    return complain(reader, 'default', word, {
      message: 'bad default',
      expected: '`allow`, `deny` or `reject`',
      hint: close === undefined ? undefined : `did you mean \`${close}\`?`,
    });
  }
  if (first !== undefined) {
    return complain(reader, 'default', word, {
      message: 'the direction comes last',
      expected: '`default VERDICT DIRECTION`',
      hint: `write \`default ${verdict} ${first}\``,
    });
  }
  if (peek(reader) === undefined) return { kind: 'default', verdict, traffic: 'incoming' };
  const second = traffic();
  if (second === undefined) {
    const close = nearest(peek(reader)!.text, TRAFFIC_WORDS);
    return complain(reader, 'default', peek(reader), {
      message: 'bad direction',
      expected: '`incoming`, `outgoing` or `routed`',
      hint: close === undefined ? undefined : `did you mean \`${close}\`?`,
    });
  }
  return { kind: 'default', verdict, traffic: second };
}

function readLogging(reader: Reader): Sentence | undefined {
  const word = peek(reader);
  const level = takeKeyword(reader, ...LOG_LEVELS, 'on');
  if (level !== undefined) return { kind: 'logging', level: level === 'on' ? 'low' : level };
  const close = nearest(word?.text ?? '', LOG_LEVELS);
  return complain(reader, 'logging', word, {
    message: 'bad logging level',
    expected: '`off`, `on`, `low`, `medium`, `high` or `full`',
    hint: close === undefined ? undefined : `did you mean \`${close}\`?`,
  });
}

function readSentence(reader: Reader): Sentence | undefined {
  const word = peek(reader);
  const opener = takeKeyword(reader, ...OPENERS);
  switch (opener) {
    case 'allow':
    case 'deny':
    case 'reject':
    case 'limit':
      return readRule(reader, opener);
    case 'default':
      return readDefault(reader);
    case 'logging':
      return readLogging(reader);
    case 'group':
      return readGroup(reader);
    case 'expect':
      return readExpectation(reader);
    case undefined: {
      const expected = `a sentence that begins with ${OPENERS.map((o) => `\`${o}\``).join(', ')}`;
      if (isKeyword(word, ...LATER)) {
        const message = `\`${word!.text.toLowerCase()}\` is not supported yet`;
        return complain(reader, 'not-yet', word, { message, expected });
      }
      const close = nearest(word?.text ?? '', OPENERS);
      const rule = /^[0-9]/.test(word?.text ?? '')
        ? `one of ${ACTIONS.join(', ')} is missing before it`
        : undefined;
      return complain(reader, 'opener', word, {
        message: word === undefined ? 'a sentence is missing' : 'unknown word',
        expected,
        hint: close === undefined ? rule : `did you mean \`${close}\`?`,
      });
    }
    default:
      return opener satisfies never;
  }
}

/**
 * Parses the words of one line. All words must belong to the sentence. Every problem that can be told apart is
 * returned; after a word that makes the rest unclear, none further. `now` (seconds since 1970): when the words are given
 * as a command, from which `for 2h` counts; a file has no such moment. Never throws.
 */
export function parseSentence(
  words: readonly Word[],
  line: number,
  services: Services,
  now?: number,
): SentenceResult {
  const reader: Reader = { words, line, services, problems: [], warnings: [], groupWords: [], at: 0, now };
  const sentence = readSentence(reader);
  const rest = peek(reader);
  if (reader.problems.length === 0 && rest !== undefined) {
    complain(reader, 'too-much', rest, {
      message: 'a word too many',
      expected: 'the end of the sentence',
      hint: 'leave it out, or put it in quotes if it belongs to the text before it',
    });
  }
  if (sentence === undefined || reader.problems.length > 0) return { ok: false, problems: reader.problems };
  return { ok: true, sentence, warnings: reader.warnings, groupWords: reader.groupWords };
}
