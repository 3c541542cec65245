import { formatPrefix } from '@moat/netfilter';
import { describe, expect, it } from 'vitest';
import { emptyPolicyText, parsePolicyFile } from './file.ts';
import { DEFAULTS } from './model.ts';
import { formatSentence } from './print.ts';
import { parseServices } from './services.ts';

const services = parseServices('');

function read(text: string) {
  const result = parsePolicyFile(text, services);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.file;
}

function problemsOf(text: string): string[] {
  const result = parsePolicyFile(text, services);
  return result.ok ? [] : result.problems.map((p) => `${p.line}:${p.column} ${p.code}`);
}

describe('a policy file', () => {
  it('gives defaults, logging, groups and rules with their lines', () => {
    const file = read(
      `# mine\ndefault reject incoming\nlogging high\n\ngroup blog 203.0.113.7\n` +
        `  allow from blog to any port mysql   # the blog\nallow 22 comment 'x # y'\ngroup blog 2001:db8::7 203.0.113.7\n`,
    );
    expect(file.policy.defaults).toEqual({ ...DEFAULTS, incoming: 'reject' });
    expect(file.policy.logging).toBe('high');
    expect(file.policy.groups.get('blog')?.members.map(formatPrefix)).toEqual(['203.0.113.7', '2001:db8::7']);
    expect(file.policy.rules.map(formatSentence)).toEqual([
      'allow from blog to any port 3306 proto tcp',
      "allow 22 comment 'x # y'",
    ]);
    expect(file.rules.map((line) => line.number)).toEqual([6, 7]);
    const line = file.rules[0]!;
    expect(file.text.slice(line.wordsStart, line.wordsEnd)).toBe('allow from blog to any port mysql');
    expect(file.text.slice(line.start, line.next)).toBe('  allow from blog to any port mysql   # the blog\n');
  });

  it('is the default policy when empty, and when new', () => {
    for (const text of ['', '\n', '# nothing', '\ufeff', emptyPolicyText()]) {
      const { policy } = read(text);
      expect(policy.defaults).toEqual(DEFAULTS);
      expect([policy.logging, policy.rules, policy.groups.size]).toEqual(['low', [], 0]);
    }
  });

  it('may have CRLF, a byte order mark, and no line break at the end', () => {
    const { rules } = read('\ufeffallow 22\r\n\r\nallow 80');
    expect(rules.map((line) => [line.number, line.start, line.end, line.next])).toEqual([
      [1, 1, 9, 11],
      [3, 13, 21, 21],
    ]);
  });

  it('reports all mistakes of all lines, in order', () => {
    expect(problemsOf('alow 22\nallow from blgo\nallow 0/tcp\ngroup blog 10.0.0.1\nallow 22 "x\n')).toEqual([
      '1:1 opener',
      '2:12 group-undefined',
      '3:7 port',
      '5:10 quote',
    ]);
  });

  it('takes names for what they were answered with, and for nothing without an answer', () => {
    const text =
      'group office 192.0.2.1 a.example\ngroup office b.example 192.0.2.9 a.example\nallow from office\n';
    const address = { family: 'ipv4', value: 0xc0000207n, length: 32 } as const;
    const result = parsePolicyFile(text, services, new Map([['a.example', [address]]]));
    const office = result.ok ? result.file.policy.groups.get('office') : undefined;
    expect(office?.names).toEqual(['a.example', 'b.example']);
    expect(office?.written.map(formatPrefix)).toEqual(['192.0.2.1', '192.0.2.9']);
    expect(office?.members.map(formatPrefix)).toEqual(['192.0.2.1', '192.0.2.9', '192.0.2.7']);
    const without = parsePolicyFile(text.replaceAll('192.0.2.9', ''), services);
    const nobody = without.ok ? without.file.policy.groups.get('office') : undefined;
    expect(nobody?.members.map(formatPrefix)).toEqual(['192.0.2.1']);
  });

  it('tells which group may have been meant', () => {
    const result = parsePolicyFile('allow from blgo\ngroup blog 10.0.0.1\n', services);
    expect(!result.ok && result.problems.map((p) => p.hint)).toEqual(['did you mean `blog`?']);
  });

  it('refuses settings that contradict each other, not those that repeat', () => {
    expect(problemsOf('default deny\nlogging low\ndefault allow input\nlogging off\n')).toEqual([
      '3:1 contradiction',
      '4:1 contradiction',
    ]);
    expect(
      problemsOf('default deny\ndefault deny incoming\ndefault deny outgoing\nlogging on\nlogging low'),
    ).toEqual([]);
  });

  it.each([
    ['a NUL byte', 'allow 22\n\0', '2:1 character'],
    ['a carriage return inside a line', 'allow 22\rallow 23\n', '1:9 character'],
    ['an escape in a remark', '# \x1b[2J\n', '1:3 character'],
    ['bytes that were not UTF-8', "allow 22 comment '\ufffd'", '1:19 character'],
    ['a space that is none', 'allow\u00a022', '1:6 character'],
    ['another line separator in a comment', "allow 22 comment 'a\u2028allow 80'", '1:20 character'],
  ])('refuses %s', (_, text, expected) => {
    expect(problemsOf(text)).toEqual([expected]);
  });

  it('takes tabs and any letters in remarks', () => {
    expect(problemsOf('allow 22\t#\tSSH für alle 👍\n')).toEqual([]);
  });
});

describe('a line that was read before', () => {
  it('has the place that it has now', () => {
    const first = parsePolicyFile('allow 22\nallow from 10.9.0.7/24\n', services);
    const second = parsePolicyFile('# new\nallow from 10.9.0.7/24\nallow 22\n', services);
    if (!first.ok || !second.ok) throw new Error('expected two policies without mistakes');
    expect(first.file.warnings.map(({ line }) => line)).toEqual([2]);
    expect(second.file.warnings.map(({ line }) => line)).toEqual([2]);
    expect(second.file.rules.map(({ number, wordsStart }) => [number, wordsStart])).toEqual([
      [2, 6],
      [3, 29],
    ]);
    const bad = parsePolicyFile('allow 22\nallow 22 from nowhere\n', services);
    const lower = parsePolicyFile('\nallow 22\nallow 22 from nowhere\n', services);
    expect(bad.ok ? [] : bad.problems.map(({ line }) => line)).toEqual([2]);
    expect(lower.ok ? [] : lower.problems.map(({ line }) => line)).toEqual([3]);
  });
});
