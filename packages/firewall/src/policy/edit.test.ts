import { describe, expect, it } from 'vitest';
import { addRule, deleteNumbers, deleteRule, type EditResult, insertRule, prependRule } from './edit.ts';
import {
  addExpectation,
  addToGroup,
  removeExpectation,
  removeGroup,
  setDefault,
  setLogging,
} from './edit-settings.ts';
import { type PolicyFile, parsePolicyFile } from './file.ts';
import type { Sentence } from './model.ts';
import { parseSentence } from './sentence.ts';
import { parseServices } from './services.ts';
import { splitWords } from './words.ts';

const services = parseServices('');
const WHERE = { line: 1, column: 8, length: 1 };

function file(text: string): PolicyFile {
  const result = parsePolicyFile(text, services);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.file;
}

function sentence<K extends Sentence['kind']>(kind: K, line: string): Extract<Sentence, { kind: K }> {
  const result = parseSentence(splitWords(line, 1).words, 1, services);
  if (!result.ok || result.sentence.kind !== kind) throw new Error(line);
  return result.sentence as Extract<Sentence, { kind: K }>;
}

const rule = (line: string) => sentence('rule', line);

function done(result: EditResult): { text: string; what: string } {
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return { text: result.text, what: `${result.outcome} rules ${result.rules} lines ${result.lines}` };
}

function hints(result: EditResult): (string | undefined)[] {
  return result.ok ? [] : result.problems.map((p) => `${p.column} ${p.message}; ${p.expected}; ${p.hint}`);
}

const TEXT = `# head
default deny incoming\t# closed

# web
allow  80/tcp   # the site
allow 22
# tail
`;

describe('adding', () => {
  it('appends after the last rule', () => {
    expect(done(addRule(file(TEXT), rule('allow 443/tcp')))).toEqual({
      text: TEXT.replace('allow 22\n', 'allow 22\nallow 443/tcp\n'),
      what: 'added rules 3 lines 7',
    });
  });

  it.each([
    ['an empty text', '', 'allow 80\n'],
    ['a byte order mark alone', '\ufeff', '\ufeffallow 80\n'],
    ['remarks alone', '# x\n', '# x\nallow 80\n'],
    ['no line break at the end', 'allow 22', 'allow 22\nallow 80'],
    ['CRLF', 'allow 22\r\n# x\r\n', 'allow 22\r\nallow 80\r\n# x\r\n'],
    ['CRLF but at the end', '# x\r\nallow 22', '# x\r\nallow 22\r\nallow 80'],
  ])('works on %s, and deleting restores it', (_, before, after) => {
    expect(done(addRule(file(before), rule('allow 80'))).text).toBe(after);
    expect(done(deleteRule(file(after), rule('allow 80'), WHERE)).text).toBe(before);
  });

  it('changes nothing if the rule is there, however it is written', () => {
    expect(done(addRule(file(TEXT), rule('allow to any port http')))).toEqual({
      text: TEXT,
      what: 'exists rules 1 lines 5',
    });
  });

  it('changes action and comment in place and keeps the remark', () => {
    expect(done(addRule(file(TEXT), rule("deny 80/tcp comment 'no'")))).toEqual({
      text: TEXT.replace('allow  80/tcp ', "deny 80/tcp comment 'no' "),
      what: 'updated rules 1 lines 5',
    });
  });

  it('P27: an IPv6 rule is found again with other host bits', () => {
    const text = 'deny from 2001:db8:9::/64\n';
    expect(done(addRule(file(text), rule('deny from 2001:db8:9::77/64'))).what).toBe(
      'exists rules 1 lines 1',
    );
    expect(done(deleteRule(file(text), rule('deny from 2001:db8:9::77/64'), WHERE)).text).toBe('');
  });

  it('P5: a deny after an allow that covers it is remarked upon', () => {
    const edit = addRule(file(TEXT), rule('deny from 192.0.2.1 to any port 80 proto tcp'));
    expect(edit.warnings.map((w) => [w.code, w.rule, w.because])).toEqual([['shadowed', 3, 1]]);
  });
});

describe('inserting', () => {
  it('P2: a rule for both families goes to one place, before a rule for one of them', () => {
    const text = 'allow from 192.0.2.1 to any port 80\nallow 80/udp\n';
    expect(done(insertRule(file(text), 1, rule('deny 80'), WHERE))).toEqual({
      text: `deny 80\n${text}`,
      what: 'added rules 1 lines 1',
    });
  });

  it('P2b: inserting a rule that exists moves it and gives it the new action', () => {
    expect(done(insertRule(file('allow 22\nallow 80/tcp # x\n'), 1, rule('deny 80/tcp'), WHERE))).toEqual({
      text: 'deny 80/tcp # x\nallow 22\n',
      what: 'moved rules 1 lines 1',
    });
    expect(done(insertRule(file('deny 80\nallow 22\nallow 23'), 3, rule('allow 80'), WHERE))).toEqual({
      text: 'allow 22\nallow 23\nallow 80',
      what: 'moved rules 3 lines 3',
    });
  });

  it('leaves remarks with the rule below them', () => {
    expect(done(prependRule(file(TEXT), rule('deny from 192.0.2.1')))).toEqual({
      text: TEXT.replace('# web\n', 'deny from 192.0.2.1\n# web\n'),
      what: 'added rules 1 lines 4',
    });
  });

  it('takes numbers up to one behind the last, on an empty list too', () => {
    expect(done(insertRule(file(TEXT), 3, rule('allow 25/tcp'), WHERE)).what).toBe('added rules 3 lines 7');
    expect(done(insertRule(file(''), 1, rule('allow 25/tcp'), WHERE)).text).toBe('allow 25/tcp\n');
    expect(hints(insertRule(file(TEXT), 4, rule('allow 25/tcp'), WHERE))).toEqual([
      '8 there is no rule with this number; a number from 1 to 3; the numbers are those of `moat status numbered`',
    ]);
    expect(insertRule(file(TEXT), 0, rule('allow 25/tcp'), WHERE).ok).toBe(false);
  });

  it('changes in place what is there already', () => {
    expect(done(insertRule(file(TEXT), 1, rule('reject 80/tcp'), WHERE)).what).toBe(
      'updated rules 1 lines 5',
    );
    expect(done(insertRule(file(TEXT), 2, rule('allow 22'), WHERE))).toEqual({
      text: TEXT,
      what: 'exists rules 2 lines 6',
    });
  });
});

describe('deleting', () => {
  it('takes the rule with any comment, and every copy of it', () => {
    const text = "allow 80 comment 'a'\nallow 22\nallow in 80\n";
    expect(done(deleteRule(file(text), rule('allow 80'), WHERE))).toEqual({
      text: 'allow 22\n',
      what: 'deleted rules 1,3 lines 1,3',
    });
  });

  it('needs the right action, and names what is near', () => {
    expect(hints(deleteRule(file('allow 22\ndeny 80\nallow 80/tcp\n'), rule('allow 80'), WHERE))).toEqual([
      '8 there is no such rule; a rule of the policy, with its action; there is `deny 80` as number 2, `allow 80/tcp` as number 3',
    ]);
    expect(hints(deleteRule(file('allow 22\n'), rule('allow 80'), WHERE))[0]).toContain(
      'see `moat status numbered`',
    );
  });

  it('P29: several numbers mean the rules as they were numbered before', () => {
    const text = 'allow 1\nallow 2\nallow 3\nallow 4\n';
    expect(done(deleteNumbers(file(text), [2, 3], WHERE)).text).toBe('allow 1\nallow 4\n');
    expect(deleteNumbers(file(text), [2, 5], WHERE).ok).toBe(false);
  });

  it('P41: deleting by number removes the rule for both families', () => {
    expect(done(deleteNumbers(file(TEXT), [2], WHERE)).text).toBe(TEXT.replace('allow 22\n', ''));
  });
});

describe('settings', () => {
  it('sets a default in its line, or adds one', () => {
    expect(done(setDefault(file(TEXT), sentence('default', 'default reject'))).text).toBe(
      TEXT.replace('deny incoming', 'reject incoming'),
    );
    expect(done(setDefault(file(TEXT), sentence('default', 'default deny outgoing'))).text).toBe(
      TEXT.replace('# closed\n', '# closed\ndefault deny outgoing\n'),
    );
    expect(
      done(setDefault(file('\n# a\nallow 22\n'), sentence('default', 'default deny outgoing'))).text,
    ).toBe('\ndefault deny outgoing\n# a\nallow 22\n');
    expect(done(setDefault(file(''), sentence('default', 'default deny incoming')))).toEqual({
      text: '',
      what: 'exists rules  lines ',
    });
  });

  it('sets every copy of a default, so that none contradicts', () => {
    expect(
      done(setDefault(file('default deny\ndefault deny input'), sentence('default', 'default allow'))).text,
    ).toBe('default allow incoming\ndefault allow incoming');
  });

  it('sets the logging level', () => {
    expect(done(setLogging(file('logging on # x\n'), sentence('logging', 'logging off'))).text).toBe(
      'logging off # x\n',
    );
    expect(done(setLogging(file(TEXT), sentence('logging', 'logging full'))).text).toBe(
      TEXT.replace('# closed\n', '# closed\nlogging full\n'),
    );
    expect(done(setLogging(file(''), sentence('logging', 'logging on'))).text).toBe('');
  });

  it('defines groups and adds members that are new', () => {
    const add = (text: string, line: string) => done(addToGroup(file(text), sentence('group', line)));
    expect(add(TEXT, 'group blog 192.0.2.1').text).toBe(TEXT.replace('# web', 'group blog 192.0.2.1\n# web'));
    const text = 'group a 192.0.2.1 # x\ngroup b 192.0.2.2\nallow from a\n';
    expect(add(text, 'group a 192.0.2.1 192.0.2.9')).toEqual({
      text: text.replace('# x\n', '# x\ngroup a 192.0.2.9\n'),
      what: 'updated rules  lines 2',
    });
    expect(add(text, 'group a 192.0.2.1').what).toBe('exists rules  lines ');
    const named = add(text, 'group b a.example 192.0.2.2').text;
    expect(named).toBe('group a 192.0.2.1 # x\ngroup b 192.0.2.2\ngroup b a.example\nallow from a\n');
    expect(add(named, 'group b A.example').what).toBe('exists rules  lines ');
  });

  it('removes a group that no rule needs', () => {
    const text = 'group a 192.0.2.1\ngroup b 192.0.2.2\nallow from a\ngroup b 192.0.2.3\n';
    expect(done(removeGroup(file(text), 'b', WHERE)).text).toBe('group a 192.0.2.1\nallow from a\n');
    expect(hints(removeGroup(file(text), 'a', WHERE))).toEqual([
      '8 number 1, `allow from a`, needs the group; a group that no rule names; first: moat delete 1',
    ]);
    expect(removeGroup(file(text), 'c', WHERE).ok).toBe(false);
  });

  it('adds expectations after the last one, and takes them away', () => {
    const text = 'expect deny 22 # closed\nallow 80\n';
    const add = (line: string) => done(addExpectation(file(text), sentence('expect', line)));
    expect(add('expect allow 80')).toEqual({
      text: text.replace('closed\n', 'closed\nexpect allow 80\n'),
      what: 'added rules  lines 2',
    });
    expect(add('expect allow 22').text).toBe(text.replace('expect deny', 'expect allow'));
    expect(add('expect deny 22').what).toBe('exists rules  lines ');
    const remove = (line: string) => removeExpectation(file(text), sentence('expect', line), WHERE);
    expect(done(remove("expect deny 22 comment 'x'")).text).toBe('allow 80\n');
    expect(hints(remove('expect reject 22'))).toEqual([
      '8 there is no such expectation; an expectation of the policy, with what it expects; there is `expect deny 22`',
    ]);
  });

  it('keeps a group that an expectation names', () => {
    const text = 'group a 192.0.2.1\nexpect deny from a\n';
    expect(hints(removeGroup(file(text), 'a', WHERE))).toEqual([
      '8 `expect deny from a` needs the group; a group that nothing names; first: moat delete expect deny from a',
    ]);
  });
});
