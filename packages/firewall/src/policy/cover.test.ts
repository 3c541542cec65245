import { describe, expect, it } from 'vitest';
import { covers, shadowWarnings } from './cover.ts';
import { type PolicyFile, parsePolicyFile } from './file.ts';
import { parseServices } from './services.ts';

const GROUPS = 'group two 192.0.2.1 192.0.2.2\ngroup net 192.0.2.0/30\ngroup six 2001:db8::1\n';

function file(text: string): PolicyFile {
  const result = parsePolicyFile(GROUPS + text, parseServices(''));
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.file;
}

function remarks(text: string): string[] {
  const { policy } = file(text);
  return policy.rules.flatMap((_, i) =>
    shadowWarnings(policy, i).map((w) => `${w.rule} ${w.code} ${w.because}`),
  );
}

describe('covers', () => {
  it.each([
    ['allow 80', 'deny 80/tcp', true],
    ['allow 80/tcp', 'deny 80', false],
    ['allow to any', 'deny 80', true],
    ['allow to any proto esp', 'deny 80', false],
    ['allow to any proto tcp', 'deny 80/tcp', true],
    ['allow 80:90/tcp', 'deny 80,85/tcp', true],
    ['allow 80,85/tcp', 'deny 80:85/tcp', false],
    ['allow 80', 'deny out 80', false],
    ['allow 80', 'deny from 192.0.2.1 to any port 80', true],
    ['allow from any port 5', 'deny 80', false],
    ['allow in on eth+', 'deny in on eth0', true],
    ['allow in on eth0', 'deny in on eth+', false],
    ['allow in on eth0', 'deny 80', false],
    ['allow from 192.0.2.0/24', 'deny from 192.0.2.9', true],
    ['allow from 192.0.2.0/24', 'deny from any', false],
    ['allow from 0.0.0.0/0', 'deny from any', false],
    ['allow from 0.0.0.0/0', 'deny proto igmp from any', true],
    ['allow from 0.0.0.0/0', 'deny to 192.0.2.1', true],
    ['allow from net', 'deny from two', true],
    ['allow from two', 'deny from net', false],
    ['allow from net', 'deny from 192.0.2.3', true],
  ])('%s: %s: %s', (a, b, expected) => {
    const { policy } = file(`${a}\n${b}\n`);
    expect(covers(policy.rules[0]!, policy.rules[1]!, policy.groups)).toBe(expected);
  });
});

describe('remarks', () => {
  it.each([
    [
      'P5: a deny that an earlier allow covers',
      'allow 80\ndeny from 192.0.2.1 to any port 80',
      ['2 shadowed 1'],
    ],
    ['P4: a limit that an earlier allow covers', 'allow 22\nlimit ssh', ['2 shadowed 1']],
    ['P35: the same port with and without protocol', 'deny 80/tcp\nallow 80', ['2 contradicts 1']],
    ['P35: the other way round', 'allow 80\ndeny 80/tcp', ['2 shadowed 1']],
    ['an exception before the rule', 'deny from 192.0.2.0/24\nallow 80', []],
    ['the rest of a protocol after its exceptions', 'allow 80\ndeny proto tcp to any', []],
    ['the same action twice', 'allow 80\nallow 80/tcp', []],
    ['a part that was allowed before a contradiction', 'allow 80/tcp\ndeny 80/udp\nallow 80/tcp', []],
    ['ports that overlap', 'deny 80:90/tcp\nallow 85:95/tcp', ['2 contradicts 1']],
    ['families that exclude each other', 'allow from six to 192.0.2.1', ['1 matches-nothing undefined']],
  ])('%s', (_, text, expected) => {
    expect(remarks(text)).toEqual(expected);
  });

  it('says what to do', () => {
    const { policy } = file("allow 22\nlimit ssh comment 'x'");
    expect(shadowWarnings(policy, 1)).toMatchObject([
      {
        message: 'number 2, `limit 22/tcp`, never decides: number 1, `allow 22`, comes first and covers it',
        hint: "moat insert 1 limit 22/tcp comment 'x'",
      },
    ]);
  });
});
