// A mistake in what somebody wrote: where it stands, what was expected, and how it is shown.

/** A stretch of one line. Lines and columns count from 1; columns count UTF-16 units, as strings do. */
export interface Span {
  readonly line: number;
  readonly column: number;
  readonly length: number;
}

/** Something worth knowing about a text that is accepted all the same. */
export interface Warning extends Span {
  readonly code: string;
  readonly message: string;
  readonly hint: string | undefined;
}

/** Something for which a text is refused. */
export interface Problem extends Warning {
  readonly expected: string;
  readonly found: string;
}

/** The text that spans point into; without a name it is what was typed after `moat`. */
export interface Source {
  readonly name: string | undefined;
  readonly text: string;
}

const LINE_WIDTH = 100;
const WORD_WIDTH = 60;
const LINE_BREAK = /\r\n|\n/;
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u;

/**
 * Text that is safe to send to a terminal: control, formatting and unpaired characters become `\x1b`, `\u{202e}`;
 * a tab becomes one space.
 */
export function printable(text: string): string {
  return text.replaceAll('\t', ' ').replace(UNPRINTABLE, (character) => {
    const code = character.codePointAt(0)!;
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
  });
}

/** Columns that printable text takes in a terminal (East Asian wide characters and emoji take two). */
function displayWidth(text: string): number {
  let width = 0;
  for (const character of text) width += WIDE.test(character) ? 2 : /\p{M}/u.test(character) ? 0 : 1;
  return width;
}

function shortened(text: string, limit: number): string {
  const characters = [...text];
  return characters.length <= limit ? text : `${characters.slice(0, limit).join('')}…`;
}

/** The line with carets below the span, each indented by two; a long line is cut around the span. */
function excerpt(line: string, lead: string, span: Span): string[] {
  const start = Math.min(span.column - 1, line.length);
  const marked = line.slice(start, start + span.length);
  const before = `${lead}${printable(line.slice(0, start))}`;
  const cut = displayWidth(before) > LINE_WIDTH / 2;
  const left = cut ? `…${[...before].slice(-LINE_WIDTH / 4).join('')}` : before;
  const shown = shortened(printable(marked), WORD_WIDTH);
  const after = shortened(printable(line.slice(start + span.length)), LINE_WIDTH / 2);
  const carets = '^'.repeat(Math.max(1, displayWidth(shown)));
  return [`  ${left}${shown}${after}`, `  ${' '.repeat(displayWidth(left))}${carets}`];
}

function formatOne(remark: Warning, detail: readonly string[], source: Source): string {
  const line = source.text.split(LINE_BREAK)[remark.line - 1] ?? '';
  const place =
    source.name === undefined ? '' : `${printable(source.name)}:${remark.line}:${remark.column}: `;
  const lead = source.name === undefined ? 'moat ' : '';
  const text = line.startsWith('\ufeff') && remark.line === 1 ? line.slice(1) : line;
  return [`${place}${printable(remark.message)}`, ...excerpt(text, lead, remark), ...detail].join('\n');
}

/** Everything about each problem, one block each, without a final newline. */
export function formatProblems(problems: readonly Problem[], source: Source): string {
  return problems
    .map((problem) => {
      const detail = [`  expected: ${printable(problem.expected)}`];
      if (problem.found !== '') detail.push(`  given:    ${shortened(printable(problem.found), WORD_WIDTH)}`);
      if (problem.hint !== undefined) detail.push(`  do:       ${printable(problem.hint)}`);
      return formatOne(problem, detail, source);
    })
    .join('\n');
}

/** Like formatProblems, each message with `warning:` in front. */
export function formatWarnings(warnings: readonly Warning[], source: Source): string {
  return warnings
    .map((warning) => {
      const detail = warning.hint === undefined ? [] : [`  do:       ${printable(warning.hint)}`];
      return formatOne({ ...warning, message: `warning: ${warning.message}` }, detail, source);
    })
    .join('\n');
}
