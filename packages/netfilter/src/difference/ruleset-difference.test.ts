import { describe, expect, test } from 'vitest';
import type { Host } from '../model/host.ts';
import type { Ruleset } from '../model/ruleset.ts';
import type { IpFamily } from '../net/address.ts';
import { parsePrefix } from '../net/prefix.ts';
import { readIptablesSave } from '../read/iptables-save.ts';
import { formatBox } from '../space/box-text.ts';
import { inSomeOrder } from '../space/packet-space.ts';
import { spaceFor } from '../symbolic/analysis.ts';
import type { Road } from './compared-roads.ts';
import { differenceBoxes } from './difference-boxes.ts';
import { pairInput, type RulesetPair, rulesetDifferences } from './ruleset-difference.ts';

/** `INPUT` rules and policy of one table; other tables as they are written. */
function rules(text: string, policy = 'ACCEPT'): Ruleset {
  const lines = text
    .trim()
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const chains = [...new Set(lines.flatMap((line) => /-[Aj] (own\w*)/.exec(line)?.[1] ?? []))];
  return readIptablesSave(
    [
      '*filter',
      `:INPUT ${policy} [0:0]`,
      `:FORWARD ${policy} [0:0]`,
      `:OUTPUT ${policy} [0:0]`,
      ...chains.map((chain) => `:${chain} - [0:0]`),
      ...lines,
      'COMMIT\n',
    ].join('\n'),
  ).ruleset;
}

/** Each difference as one line: `input opened must new: tcp × 22`. */
function told(pair: Omit<RulesetPair, 'family'> & { family?: IpFamily }): string[] {
  const whole = { family: 'ipv4' as const, ...pair };
  const done = inSomeOrder(spaceFor(pairInput(whole)), (space) =>
    rulesetDifferences(space, whole).differences.flatMap((difference) =>
      difference.road === 'groups'
        ? []
        : differenceBoxes(difference).boxes.map(
            ({ road, kind, certainty, states, box }) =>
              `${road} ${kind} ${certainty} ${states}: ${formatBox(space.layout, box)}`,
          ),
    ),
  );
  if (done.kind !== 'done') throw new Error('too large');
  return done.value;
}

const NEW = 'new,invalid,established,related,untracked';
const TCP = (more: string): string => `-A INPUT -p tcp -m tcp ${more}`;

describe('a difference is told as one box', () => {
  test.each<[string, Ruleset, Ruleset, string[]]>([
    ['nothing changed', rules(TCP('--dport 22 -j DROP')), rules(TCP('--dport 22 -j DROP')), []],
    [
      'a port less',
      rules(TCP('--dport 22 -j ACCEPT'), 'DROP'),
      rules('', 'DROP'),
      [`input closed must ${NEW}: tcp × 22`],
    ],
    [
      'a range more',
      rules('', 'DROP'),
      rules(TCP('-s 10.0.0.0/8 -i eth0 --dport 8000:8100 -j ACCEPT'), 'DROP'),
      [`input opened must ${NEW}: 10.0.0.0/8 × tcp × 8000-8100 × in eth0`],
    ],
    [
      'other rules that come to the same',
      rules(`${TCP('--dport 80:81 -j ACCEPT')}`, 'DROP'),
      rules(`${TCP('--dport 81 -j ACCEPT')}\n${TCP('--dport 80 -j ACCEPT')}`, 'DROP'),
      [],
    ],
    [
      'the order of rules that do not overlap',
      rules(`${TCP('--dport 80 -j DROP')}\n${TCP('--dport 81 -j ACCEPT')}`),
      rules(`${TCP('--dport 81 -j ACCEPT')}\n${TCP('--dport 80 -j DROP')}`),
      [],
    ],
    [
      'the order of rules that do overlap',
      rules(`${TCP('--dport 80 -j DROP')}\n${TCP('-s 10.0.0.0/8 -j ACCEPT')}`),
      rules(`${TCP('-s 10.0.0.0/8 -j ACCEPT')}\n${TCP('--dport 80 -j DROP')}`),
      [`input opened must ${NEW}: 10.0.0.0/8 × tcp × 80`],
    ],
    [
      'a drop that becomes an answer, and one that becomes silent',
      rules(`${TCP('--dport 80 -j DROP')}\n${TCP('--dport 81 -j REJECT')}`),
      rules(`${TCP('--dport 80 -j REJECT')}\n${TCP('--dport 81 -j DROP')}`),
      [`input answered must ${NEW}: tcp × 80`, `input silenced must ${NEW}: tcp × 81`],
    ],
    [
      'a state',
      rules('-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT', 'DROP'),
      rules('-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT', 'DROP'),
      ['input closed must related: anything'],
    ],
    [
      'a rate may be reached or not',
      rules(TCP('--dport 22 -j ACCEPT'), 'DROP'),
      rules(TCP('--dport 22 -m limit --limit 3/min -j ACCEPT'), 'DROP'),
      [`input closed may ${NEW}: tcp × 22`],
    ],
    [
      'the same rate in both is the same',
      rules(TCP('--dport 22 -m limit --limit 3/min -j ACCEPT'), 'DROP'),
      rules(`${TCP('--dport 22 -m limit --limit 3/min -j ACCEPT')}\n${TCP('--dport 23 -j ACCEPT')}`, 'DROP'),
      [`input opened must ${NEW}: tcp × 23`],
    ],
    [
      'what is not understood may be anything',
      rules('', 'DROP'),
      rules('-A INPUT -s 10.0.0.1/32 -m u32 --u32 "0&0=0" -j ACCEPT', 'DROP'),
      [`input opened may ${NEW}: 10.0.0.1`],
    ],
    [
      'a chain that is called',
      rules('-A INPUT -p udp -j own\n-A own -p udp -m udp --dport 53 -j ACCEPT', 'DROP'),
      rules('-A INPUT -p udp -j own\n-A own -s 10.0.0.0/8 -p udp -m udp --dport 53 -j ACCEPT', 'DROP'),
      [`input closed must ${NEW}: not 10.0.0.0/8 × udp × 53`],
    ],
    [
      'the other roads',
      rules('-A FORWARD -i eth0 -o eth1 -j ACCEPT\n-A OUTPUT -o eth0 -p udp -j ACCEPT', 'DROP'),
      rules('', 'DROP'),
      [`forward closed must ${NEW}: in eth0 × out eth1`, `output closed must ${NEW}: udp × out eth0`],
    ],
    [
      'the loopback interface',
      rules('-A INPUT -i lo -j ACCEPT\n-A OUTPUT -j ACCEPT', 'DROP'),
      rules('-A OUTPUT -j ACCEPT', 'DROP'),
      [`loopback closed must ${NEW}: in lo`],
    ],
  ])('%s', (_, before, after, expected) => {
    expect(told({ before, after })).toEqual(expected);
    const swapped = expected.map((line) =>
      line.replace(/opened|closed|answered|silenced/, (word) => OPPOSITE[word]!),
    );
    expect([...told({ before: after, after: before })].sort()).toEqual([...swapped].sort());
  });
});

const OPPOSITE: Readonly<Record<string, string>> = {
  opened: 'closed',
  closed: 'opened',
  answered: 'silenced',
  silenced: 'answered',
};

const prefix = (text: string) => {
  const parsed = parsePrefix(text);
  if (!('prefix' in parsed)) throw new Error(text);
  return parsed.prefix;
};

/** A host with 192.0.2.1 on eth0 and containers behind docker0. */
const HOST: Host = {
  links: [
    { name: 'lo', index: 1 },
    { name: 'eth0', index: 2 },
    { name: 'docker0', index: 3 },
  ].map((link) => ({ addresses: [], group: 0, loopback: link.name === 'lo', up: true, ...link })) as never,
  routes: (
    [
      ['192.0.2.1/32', 255, 'local', 'eth0'],
      ['172.17.0.1/32', 255, 'local', 'docker0'],
      ['192.0.2.0/24', 254, 'unicast', 'eth0'],
      ['172.17.0.0/16', 254, 'unicast', 'docker0'],
      ['0.0.0.0/0', 254, 'unicast', 'eth0'],
    ] as const
  ).map(([text, table, type, device]) => ({
    family: 'ipv4',
    table,
    type,
    prefix: prefix(text),
    metric: 0,
    nextHops: [{ device, dead: false }],
  })) as never,
  rules: [],
  sysctls: { 'net/ipv4/ip_forward': '1' },
  missing: [],
} as never;

function docker(user: string): Ruleset {
  return readIptablesSave(
    [
      '*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n:DOCKER - [0:0]',
      '-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER',
      '-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80',
      'COMMIT\n*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n:DOCKER-USER - [0:0]',
      '-A FORWARD -j DOCKER-USER',
      '-A FORWARD -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT',
      user,
      '-A DOCKER-USER -j RETURN',
      'COMMIT\n',
    ]
      .filter((line) => line !== '')
      .join('\n'),
  ).ruleset;
}

describe('a published port', () => {
  const before = docker('');
  const after = docker('-A DOCKER-USER -i eth0 -p tcp -m conntrack --ctorigdstport 8080 -j DROP');

  test('is closed as it was dialled, to this host', () => {
    expect(told({ before, after, host: HOST })).toEqual([
      'input closed must new: tcp × 8080 × in eth0',
      // What comes later in such flows is told apart: it shows its translated address, or announces another flow.
      'input closed must related: tcp × 8080 × in eth0 × odport 8080',
      'forward closed must established,related: to 172.17.0.2 × tcp × 80 × in eth0 × out docker0 × odport 8080',
    ]);
  });

  test('is closed as it was dialled also where nobody knows the host', () => {
    const found = told({ before, after });
    expect(found.some((line) => /^input closed \w+ new: tcp × 8080 × in eth0/.test(line))).toBe(true);
  });
});

test('only the packets and roads that are asked for', () => {
  const before = rules('', 'ACCEPT');
  const after = rules('', 'DROP');
  const roads: readonly Road[] = ['output'];
  expect(told({ before, after, roads })).toEqual([`output closed must ${NEW}: anything`]);
});
