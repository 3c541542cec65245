// Where a sentence's parser stands: the words, how far it has come, and what it has found wrong.
import type { Problem, Span, Warning } from './problem.ts';
import type { Services } from './services.ts';
import { type Word, written } from './words.ts';

export interface Reader {
  readonly words: readonly Word[];
  readonly line: number;
  readonly services: Services;
  readonly problems: Problem[];
  readonly warnings: Warning[];
  /** Words that name a group, to be looked up when all groups are known. */
  readonly groupWords: Word[];
  /** When the sentence is given as a command, in seconds since 1970; undefined in a file. */
  readonly now?: number | undefined;
  at: number;
}

/** What the parser expected, beside where and what it found. */
export interface Complaint {
  readonly message: string;
  readonly expected: string;
  readonly hint?: string | undefined;
}

export function peek(reader: Reader): Word | undefined {
  return reader.words[reader.at];
}

/** Whether the word is one of the keywords, in upper or lower case. */
export function isKeyword(word: Word | undefined, ...keywords: readonly string[]): boolean {
  return word !== undefined && keywords.includes(word.text.toLowerCase());
}

/** Takes the next word if it is one of the keywords; gives it in lower case. */
export function takeKeyword<K extends string>(reader: Reader, ...keywords: readonly K[]): K | undefined {
  const word = peek(reader);
  const keyword = keywords.find((candidate) => isKeyword(word, candidate));
  if (keyword !== undefined) reader.at++;
  return keyword;
}

/** The place just after the last word, where something is missing. */
function endSpan(words: readonly Word[], line: number): Span {
  const last = words.at(-1);
  return { line, column: last === undefined ? 1 : last.column + last.length + 1, length: 1 };
}

/** Notes a problem with a word, or with the lack of one. */
export function complain(
  reader: Reader,
  code: string,
  word: Word | undefined,
  complaint: Complaint,
): undefined {
  const span = word ?? endSpan(reader.words, reader.line);
  complainAt(reader, code, span, word === undefined ? '(nothing)' : word.text || "''", complaint);
}

/** Notes a problem with a stretch of the line, such as one item of a list. */
export function complainAt(
  reader: Reader,
  code: string,
  span: { readonly column: number; readonly length: number },
  found: string,
  complaint: Complaint,
): undefined {
  reader.problems.push({
    code,
    line: reader.line,
    column: span.column,
    length: Math.max(1, span.length),
    message: complaint.message,
    expected: complaint.expected,
    found,
    hint: complaint.hint,
  });
}

export function warn(reader: Reader, code: string, word: Word, message: string, hint?: string): void {
  reader.warnings.push({ code, line: reader.line, column: word.column, length: word.length, message, hint });
}

const LONGEST_REWRITE = 90;

/** A hint that shows the sentence with one word written differently. */
export function writeInstead(reader: Reader, word: Word, replacement: string): string {
  const sentence = reader.words.map((w) => (w === word ? replacement : written(w.text))).join(' ');
  return `write \`${sentence.length > LONGEST_REWRITE ? replacement : sentence}\``;
}

/** The part of a word from `start` to `end`, in columns; quotes around the word are counted in. */
export function partOf(word: Word, start: number, end: number): { column: number; length: number } {
  const quote = word.length > word.text.length ? 1 : 0;
  return { column: word.column + quote + start, length: end - start };
}
