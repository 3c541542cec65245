// The file as lines that can be put in, taken out and changed while all others keep their bytes.
import type { PolicyFile, PolicyLine } from './file.ts';

/** A line on its way into the new text. `eol` is empty where the file so far ends without a line break. */
export interface EditLine {
  readonly text: string;
  readonly eol: string;
  /** The line of the old file that it was. */
  readonly was: PolicyLine | undefined;
}

export function linesOf(file: PolicyFile): EditLine[] {
  return file.lines.map((line) => ({
    text: file.text.slice(line.start, line.end),
    eol: file.text.slice(line.end, line.next),
    was: line,
  }));
}

export function newLine(text: string): EditLine {
  return { text, eol: '', was: undefined };
}

/** The line with other words; indentation and the remark at its end stay. */
export function withWords(line: EditLine, words: string): EditLine {
  const { was, text } = line;
  if (was === undefined) return newLine(words);
  const before = text.slice(0, was.wordsStart - was.start);
  return { ...line, text: before + words + text.slice(was.wordsEnd - was.start) };
}

/**
 * The text of the lines. New lines get the line break that the file's first line has. A file whose last line has
 * none keeps it so.
 */
export function joinLines(file: PolicyFile, lines: readonly EditLine[]): string {
  const first = file.lines[0];
  const usual = (first && file.text.slice(first.end, first.next)) || '\n';
  const old = file.lines.at(-1);
  const unended = old !== undefined && old.end === old.next;
  const body = lines.map(({ text, eol }, index) =>
    unended && index === lines.length - 1 ? text : text + (eol || usual),
  );
  return file.text.slice(0, first?.start ?? (file.text.startsWith('\ufeff') ? 1 : 0)) + body.join('');
}

/** Where a line belongs that shall stand before `index`: above the remarks that belong to the line there. */
export function aboveRemarks(lines: readonly EditLine[], index: number): number {
  let at = index;
  while (at > 0 && /^[ \t]*#/.test(lines[at - 1]!.text)) at--;
  return at;
}

/** One behind the last line for which `test` holds, or undefined. */
export function afterLast(lines: readonly EditLine[], test: (line: EditLine) => boolean): number | undefined {
  const at = lines.findLastIndex(test);
  return at < 0 ? undefined : at + 1;
}
