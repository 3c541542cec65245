// The words of a ban: `192.0.2.0/24 for 1h because 'too many guesses'`.
import { formatPrefix, type Prefix, parsePrefix } from '@moat/netfilter';
import { readEnd } from './end.ts';
import type { Problem } from './problem.ts';
import { complain, peek, type Reader, takeKeyword } from './reader.ts';
import type { Word } from './words.ts';

export interface BanWords {
  readonly prefix: Prefix;
  /** Seconds since 1970; undefined: for ever. */
  readonly until: number | undefined;
  readonly because: string | undefined;
}

export type BanWordsResult =
  | { readonly ok: true; readonly words: BanWords }
  | { readonly ok: false; readonly problems: readonly Problem[] };

const EXPECTED =
  'an address or a network, then `for TIME`, `until MOMENT` and `because TEXT`, or none of them';

/** Reads a ban from words; `now` (seconds since 1970) is what `for` counts from. `line`: where the words stand. */
export function parseBan(words: readonly Word[], line: number, now: number): BanWordsResult {
  const reader: Reader = {
    ...{ words, line, problems: [], warnings: [], groupWords: [], at: 0, now },
    services: { byName: new Map(), byPort: new Map() },
  };
  const prefix = readNetwork(reader);
  let until: number | undefined;
  let because: string | undefined;
  if (prefix !== undefined) until = readEnd(reader);
  if (reader.problems.length === 0 && takeKeyword(reader, 'because', 'comment') !== undefined) {
    because = reader.words
      .slice(reader.at)
      .map(({ text }) => text)
      .join(' ');
    if (because === '')
      complain(reader, 'missing', undefined, { message: 'the reason is missing', expected: 'a text' });
    reader.at = reader.words.length;
  }
  const rest = peek(reader);
  if (reader.problems.length === 0 && rest !== undefined)
    complain(reader, 'word', rest, { message: 'unknown word', expected: EXPECTED });
  if (prefix === undefined || reader.problems.length > 0) return { ok: false, problems: reader.problems };
  return { ok: true, words: { prefix, until, because } };
}

/** An address or a network. */
function readNetwork(reader: Reader): Prefix | undefined {
  const word = peek(reader);
  if (word === undefined)
    return complain(reader, 'address', undefined, { message: 'an address is missing', expected: EXPECTED });
  reader.at++;
  const parsed = parsePrefix(word.text);
  if (!('prefix' in parsed)) {
    const message = parsed.problem === 'length' ? 'bad length of a network' : 'not an address';
    return complain(reader, 'address', word, { message, expected: EXPECTED });
  }
  if (parsed.hostBits) {
    return complain(reader, 'address', word, {
      message: 'the address has bits beyond the length of its network',
      expected: 'the network itself, or the address alone',
      hint: `write ${formatPrefix(parsed.prefix)}, or ${word.text.split('/')[0]}`,
    });
  }
  return parsed.prefix;
}
