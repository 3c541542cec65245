// When something ends by itself: `for 2h`, `until 2026-12-31T18:00`.
import { complain, peek, type Reader, takeKeyword } from './reader.ts';
import { EXPECTED_DURATION, EXPECTED_MOMENT, parseDuration, parseMoment } from './time.ts';

/**
 * `for 2h` or `until 2026-12-31T18:00`, if they stand here: the moment in seconds since 1970. `for` counts from
 * `reader.now`; without that, as in a file, only `until` has a meaning.
 */
export function readEnd(reader: Reader): number | undefined {
  const keyword = takeKeyword(reader, 'for', 'until');
  if (keyword === undefined) return undefined;
  const at = reader.words[reader.at - 1];
  const word = peek(reader);
  const expected = keyword === 'for' ? EXPECTED_DURATION : EXPECTED_MOMENT;
  if (word === undefined)
    return complain(reader, 'missing', undefined, {
      message: `something is missing after \`${keyword}\``,
      expected,
    });
  reader.at++;
  if (keyword === 'for') {
    const seconds = parseDuration(word.text);
    if (seconds === undefined)
      return complain(reader, 'time', word, { message: 'bad length of time', expected });
    if (reader.now !== undefined) return reader.now + seconds;
    return complain(reader, 'for', at, {
      message: '`for` counts from the moment of a command, and a file has none',
      expected: '`until` with a date and time',
      hint: 'or give the sentence as a command: moat writes the moment into the file',
    });
  }
  const moment = parseMoment(word.text);
  if (moment === undefined) return complain(reader, 'time', word, { message: 'bad date or time', expected });
  if (reader.now !== undefined && moment <= reader.now) {
    return complain(reader, 'time', word, {
      message: 'this is over already',
      expected: 'a moment in the future',
    });
  }
  return moment;
}
