import { expect, it } from 'vitest';
import { formatProblems, formatWarnings, type Problem, printable } from './problem.ts';
import { parseSentence } from './sentence.ts';
import { parseServices } from './services.ts';
import { splitWords } from './words.ts';

const services = parseServices('');

function problemsOf(line: string, number = 1): readonly Problem[] {
  const { words, problems } = splitWords(line, number);
  if (problems.length > 0) return problems;
  const result = parseSentence(words, number, services);
  return result.ok ? [] : result.problems;
}

it('shows the file, the place, the word and what to do', () => {
  const text = 'default deny\n\n# web\nallow 0080/tcp   # remark\n';
  expect(formatProblems(problemsOf('allow 0080/tcp', 4), { name: '/etc/moat/policy', text })).toBe(
    [
      '/etc/moat/policy:4:7: bad port',
      '  allow 0080/tcp   # remark',
      '        ^^^^',
      '  expected: a port from 1 to 65535 without leading zeros',
      '  given:    0080',
      '  do:       write `allow 80/tcp`',
    ].join('\n'),
  );
});

it('shows what was typed when there is no file', () => {
  const text = 'allow 22/tpc';
  expect(formatProblems(problemsOf(text), { name: undefined, text }).split('\n').slice(0, 3)).toEqual([
    'unknown protocol',
    '  moat allow 22/tpc',
    '                ^^^',
  ]);
});

it.each([
  ['tabs', 'allow\t\t0/tcp', '  moat allow  0/tcp', '              ^'],
  [
    'wide characters',
    "allow comment '漢字👍' to any port 0",
    "  moat allow comment '漢字👍' to any port 0",
    `${' '.repeat(42)}^`,
  ],
  [
    'combining marks',
    "allow comment 'e\u0301' to any port 0",
    "  moat allow comment 'e\u0301' to any port 0",
    `${' '.repeat(37)}^`,
  ],
])('keeps the caret below the word after %s', (_, text, shown, caret) => {
  expect(formatProblems(problemsOf(text), { name: undefined, text }).split('\n').slice(1, 3)).toEqual([
    shown,
    caret,
  ]);
});

it('never sends control characters of the text to the terminal', () => {
  const text = 'allow \x1b[2J\x07 22\u202e';
  const shown = formatProblems(problemsOf(text), { name: 'evil\x1b[1m', text });
  expect(shown).toMatch(/^[ -~\n]*$/);
  expect(shown).toContain('allow \\x1b[2J\\x07 22\\u{202e}');
  expect(printable('a\u200bb\ud800')).toBe('a\\u{200b}b\\u{d800}');
});

it('cuts long lines around the place', () => {
  const text = `group blog ${'192.0.2.1 '.repeat(1000)}nonsense! ${'192.0.2.1 '.repeat(1000)}`;
  const lines = formatProblems(problemsOf(text), { name: 'x', text }).split('\n');
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(130);
  expect(lines[1]!.slice(lines[2]!.indexOf('^'), lines[2]!.lastIndexOf('^') + 1)).toBe('nonsense!');
});

it('shows warnings with their remedy', () => {
  const text = 'allow from 192.0.2.9/24';
  const result = parseSentence(splitWords(text, 1).words, 1, services);
  expect(formatWarnings(result.ok ? result.warnings : [], { name: undefined, text })).toBe(
    [
      'warning: `192.0.2.9/24` is normalised to `192.0.2.0/24`',
      '  moat allow from 192.0.2.9/24',
      '                  ^^^^^^^^^^^^',
      '  do:       write `192.0.2.0/24`',
    ].join('\n'),
  );
});
