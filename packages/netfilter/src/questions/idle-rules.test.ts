import { describe, expect, test } from 'vitest';
import type { Ruleset } from '../model/ruleset.ts';
import { readIptablesSave } from '../read/iptables-save.ts';
import { inSomeOrder } from '../space/packet-space.ts';
import { beginAnalysis, spaceFor } from '../symbolic/analysis.ts';
import { idleRules } from './idle-rules.ts';

/** Rules of the filter table, whose chains are those that the rules name. */
function rules(text: string, policy = 'ACCEPT'): Ruleset {
  const lines = text
    .trim()
    .split('\n')
    .map((line) => line.trim());
  const own = [
    ...new Set(lines.flatMap((line) => [...line.matchAll(/-[Ajg] (own\w*)/g)].map(([, name]) => name!))),
  ];
  const bases = ['INPUT', 'FORWARD', 'OUTPUT'].map((name) => `:${name} ${policy} [0:0]`);
  return readIptablesSave(
    ['*filter', ...bases, ...own.map((name) => `:${name} - [0:0]`), ...lines, 'COMMIT\n'].join('\n'),
  ).ruleset;
}

/** `INPUT 2 hidden by INPUT 1`. */
function idle(ruleset: Ruleset, family: 'ipv4' | 'ipv6' = 'ipv4'): string[] {
  const input = { family, rulesets: [ruleset] };
  const done = inSomeOrder(spaceFor(input), (space) => idleRules(beginAnalysis(space, input), ruleset));
  if (done.kind !== 'done') throw new Error('too large');
  return done.value.map((each) => {
    const by =
      each.kind === 'hidden'
        ? ` by ${each.by.map(({ chain, number }) => `${chain.name} ${number}`).join(', ')}`
        : '';
    return `${each.chain.name} ${each.number} ${each.kind}${by}`;
  });
}

describe('rules that do nothing', () => {
  test.each<[string, string, string, string[]]>([
    ['none', 'DROP', '-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT', []],
    [
      'said before',
      'DROP',
      `-A INPUT -p tcp -m tcp --dport 20:25 -j ACCEPT
       -A INPUT -s 10.0.0.0/8 -p tcp -m tcp --dport 22 -j DROP`,
      ['INPUT 2 hidden by INPUT 1'],
    ],
    [
      'said before by two together',
      'DROP',
      `-A INPUT -s 0.0.0.0/1 -j ACCEPT
       -A INPUT -s 128.0.0.0/1 -p tcp -j ACCEPT
       -A INPUT -p tcp -m tcp --dport 22 -j DROP`,
      ['INPUT 3 hidden by INPUT 1, INPUT 2'],
    ],
    [
      'a chain that decides all of it',
      'DROP',
      `-A INPUT -p tcp -j own
       -A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
       -A own -s 10.0.0.0/8 -j ACCEPT
       -A own -j DROP`,
      ['INPUT 2 hidden by INPUT 1'],
    ],
    [
      'a chain that returns',
      'DROP',
      `-A INPUT -p tcp -j own
       -A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
       -A own -s 10.0.0.0/8 -j ACCEPT
       -A own -j RETURN`,
      ['own 2 no difference'],
    ],
    [
      'conditions that exclude each other',
      'DROP',
      '-A INPUT -s 10.0.0.0/8 -m iprange --src-range 192.0.2.1-192.0.2.9 -j ACCEPT',
      ['INPUT 1 contradiction'],
    ],
    [
      'what the policy does anyway',
      'DROP',
      `-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
       -A INPUT -p tcp -m tcp --dport 23 -j DROP`,
      ['INPUT 2 no difference'],
    ],
    [
      'what a later rule does anyway',
      'DROP',
      `-A INPUT -s 10.0.0.0/8 -p tcp -j ACCEPT
       -A INPUT -p tcp -j ACCEPT`,
      ['INPUT 1 no difference'],
    ],
    [
      'a refusal makes a difference to a drop',
      'DROP',
      '-A INPUT -p tcp -m tcp --dport 23 -j REJECT --reject-with tcp-reset',
      [],
    ],
    ['a chain that nothing calls', 'DROP', '-A own -j ACCEPT', ['own 1 not reached']],
    [
      'a chain to which others come than its rules are about',
      'DROP',
      `-A INPUT -p udp -j own
       -A own -p tcp -j ACCEPT
       -A own -p udp -m udp --dport 53 -j ACCEPT`,
      ['own 1 not reached'],
    ],
    [
      'a chain that is called twice is judged by both calls',
      'DROP',
      `-A INPUT -p udp -j own
       -A FORWARD -p tcp -j own
       -A own -p tcp -j ACCEPT
       -A own -p udp -j ACCEPT
       -A own -p icmp -j ACCEPT`,
      ['own 3 not reached'],
    ],
    [
      'nobody knows whether a rate is reached: what comes after it is not hidden',
      'DROP',
      `-A INPUT -p tcp -m limit --limit 3/min -j ACCEPT
       -A INPUT -p tcp -m tcp --dport 22 -j ACCEPT`,
      [],
    ],
    [
      'a log is there to log',
      'ACCEPT',
      `-A INPUT -p tcp -j LOG
       -A INPUT -p tcp -m tcp --dport 22 -j DROP`,
      [],
    ],
    [
      'a log that is hidden',
      'ACCEPT',
      `-A INPUT -p tcp -j DROP
       -A INPUT -p tcp -m tcp --dport 22 -j LOG`,
      ['INPUT 2 hidden by INPUT 1'],
    ],
    [
      'what was not understood hides nothing',
      'DROP',
      `-A INPUT -p tcp -m u32 --u32 "0&0=0" -j ACCEPT
       -A INPUT -p tcp -m tcp --dport 22 -j ACCEPT`,
      [],
    ],
    [
      'states',
      'DROP',
      `-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
       -A INPUT -m conntrack --ctstate INVALID -j DROP
       -A INPUT -p tcp -m conntrack --ctstate ESTABLISHED -m tcp --dport 22 -j DROP`,
      ['INPUT 2 no difference', 'INPUT 3 hidden by INPUT 1'],
    ],
  ])('%s', (_, policy, text, expected) => {
    expect(idle(rules(text, policy))).toEqual(expected);
  });

  test('a mark is known where it is read', () => {
    const ruleset = rules(
      `-A INPUT -p tcp -j MARK --set-xmark 0x1/0xffffffff
       -A INPUT -p tcp -m mark --mark 0x1 -j ACCEPT
       -A INPUT -p tcp -m mark --mark 0x2 -j ACCEPT`,
      'DROP',
    );
    expect(idle(ruleset)).toEqual(expect.not.arrayContaining(['INPUT 2 no difference']));
  });

  test('rules of the other family are not judged', () => {
    expect(idle(rules('-A own -j ACCEPT'), 'ipv6')).toEqual([]);
  });
});
