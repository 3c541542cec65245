// One line into words: white space separates, quotes hold a text together, `#` starts a remark.
import type { Problem } from './problem.ts';

/** `text` is without its quotes; `column` and `length` cover them. */
export interface Word {
  readonly text: string;
  readonly column: number;
  readonly length: number;
}

/** The words of a line and what is wrong with its characters. */
export interface Words {
  readonly words: readonly Word[];
  readonly problems: readonly Problem[];
}

// Bidirectional controls reorder what a terminal shows, so a comment could pose as another rule.
const BIDI = '\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069';
const BAD_IN_TEXT = new RegExp(`[\\p{Cc}\\p{Cs}\\p{Zl}\\p{Zp}\\ufffd${BIDI}]`, 'u');
const BAD_IN_WORD = /[\p{Cc}\p{Cs}\p{Cf}\p{Z}\ufffd]/u;
const BAD_IN_REMARK = /[^\P{Cc}\t]|[\p{Cs}\ufffd]/u;

function characterProblem(
  bad: RegExp,
  text: string,
  line: number,
  column: number,
  place: string,
): Problem | undefined {
  const match = bad.exec(text);
  if (match === null) return undefined;
  const character = match[0];
  const code = character.codePointAt(0)!;
  const space = /\p{Zs}/u.test(character);
  return {
    code: 'character',
    line,
    column: column + match.index,
    length: character.length,
    message: space ? 'not a plain space' : `a character that is not allowed in ${place}`,
    expected: space ? 'a plain space or a tab' : 'printable characters (UTF-8)',
    found: `U+${code.toString(16).toUpperCase().padStart(4, '0')}`,
    hint: character === '\ufffd' ? 'save the text as UTF-8' : undefined,
  };
}

/**
 * Splits a line (without its line break) into words. A word may be written in `'…'` or `"…"`, within which
 * everything but the same quote stands for itself; there are no escapes. `#` at the start of a word begins a
 * remark that reaches to the end of the line. All problems are returned; words are those found nevertheless.
 */
export function splitWords(text: string, line: number): Words {
  const words: Word[] = [];
  const problems: Problem[] = [];
  const check = (bad: RegExp, from: number, to: number, place: string) => {
    const problem = characterProblem(bad, text.slice(from, to), line, from + 1, place);
    if (problem !== undefined) problems.push(problem);
  };
  let at = 0;
  while (at < text.length) {
    const first = text[at]!;
    if (first === ' ' || first === '\t') {
      at++;
    } else if (first === '#') {
      check(BAD_IN_REMARK, at, text.length, 'a remark');
      at = text.length;
    } else if (first === "'" || first === '"') {
      const close = text.indexOf(first, at + 1);
      const end = close < 0 ? text.length : close + 1;
      check(BAD_IN_TEXT, at, end, 'a quoted text');
      if (close < 0) problems.push(quoteProblem(line, at + 1, text.slice(at), 'unclosed quote', first));
      else words.push({ text: text.slice(at + 1, close), column: at + 1, length: end - at });
      const glued = /^[^ \t]+/.exec(text.slice(end));
      if (glued !== null) problems.push(gluedProblem(line, end + 1, glued[0]));
      at = end + (glued?.[0].length ?? 0);
    } else {
      const word = /^[^ \t]+/.exec(text.slice(at))![0];
      const quote = word.search(/['"]/);
      check(BAD_IN_WORD, at, at + word.length, 'a word');
      if (quote > 0) problems.push(strayQuoteProblem(line, at + quote + 1, word));
      words.push({ text: word, column: at + 1, length: word.length });
      at += word.length;
    }
  }
  return { words, problems };
}

function quoteProblem(line: number, column: number, found: string, message: string, quote: string): Problem {
  return {
    code: 'quote',
    line,
    column,
    length: found.length,
    message,
    expected: `a closing ${quote} in the same line`,
    found,
    hint: undefined,
  };
}

function gluedProblem(line: number, column: number, found: string): Problem {
  return {
    code: 'quote',
    line,
    column,
    length: found.length,
    message: 'text sticks to a closing quote',
    expected: 'white space after the closing quote',
    found,
    hint: `a text that holds ' is written in ", and the other way round`,
  };
}

function strayQuoteProblem(line: number, column: number, found: string): Problem {
  return {
    code: 'quote',
    line,
    column,
    length: 1,
    message: 'a quote inside a word',
    expected: 'quotes around the whole text',
    found,
    hint: `a text that holds ' is written in ", and the other way round`,
  };
}

/** A text as one word: in `'`, or in `"` where it holds a `'`. It must not hold both (see commentProblem). */
export function quoted(text: string): string {
  return text.includes("'") ? `"${text}"` : `'${text}'`;
}

/** A word as it has to be written so that splitWords gives it back. */
export function written(text: string): string {
  return text === '' || text.startsWith('#') || /[\s'"]/.test(text) ? quoted(text) : text;
}

/**
 * The words of a command line, where a shell has done the splitting, and the line that stands for them in
 * messages: `text` is that line, and the words' columns point into it.
 */
export function wordsOfArguments(args: readonly string[]): Words & { readonly text: string } {
  const words: Word[] = [];
  const problems: Problem[] = [];
  let text = '';
  for (const argument of args) {
    if (text !== '') text += ' ';
    const shown = written(argument);
    words.push({ text: argument, column: text.length + 1, length: shown.length });
    const inside = text.length + 1 + (shown === argument ? 0 : 1);
    const problem = characterProblem(BAD_IN_TEXT, argument, 1, inside, 'a sentence');
    if (problem !== undefined) problems.push(problem);
    text += shown;
  }
  return { words, problems, text };
}
