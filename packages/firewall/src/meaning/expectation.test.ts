// Expectations against policies in which they hold, and the counterexamples where they don't.
import { formatAddress } from '@moat/netfilter';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { flows, meaning, policies, policyText, WIDE_WORLD } from '../../../../test/random-policy.ts';
import { runs } from '../../../../test/runs.ts';
import { parsePolicyFile } from '../policy/file.ts';
import type { Policy } from '../policy/model.ts';
import { formatExpected } from '../policy/print.ts';
import { parseServices } from '../policy/services.ts';
import { counterexampleText, testExpectations } from './expectation.ts';
import type { MachineFacts } from './machine-facts.ts';

const SERVICES = parseServices('');
const NO_FACTS: MachineFacts = { containers: [], others: [], bridges: [] };

function parsed(text: string): Policy {
  const result = parsePolicyFile(text, SERVICES);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.file.policy;
}

/** For each expectation that fails its text, then the counterexamples. */
function failing(text: string, facts = NO_FACTS): string[] {
  return testExpectations(parsed(text), facts).flatMap(({ expectation, counterexamples }) =>
    counterexamples.length === 0
      ? []
      : [formatExpected(expectation), ...counterexamples.map(counterexampleText)],
  );
}

const BLOG = 'group blog 203.0.113.7 2001:db8::7\n';

test('what holds for all packets but the narrower expectation', () => {
  const text = `${BLOG}allow 22/tcp
limit 2222/tcp
allow from blog to any port mysql
expect deny  from any  to any port mysql
expect allow from blog to any port mysql
expect allow 22/tcp
expect allow 2222/tcp
expect deny from 192.0.2.0/24 to any port 80
expect route deny from any to any
expect allow out 443/tcp
`;
  expect(failing(text)).toEqual([]);
  expect(failing(text.replace('expect allow from blog to any port mysql\n', ''))).toEqual([
    'deny 3306/tcp',
    'tcp from 203.0.113.7 to port 3306 is let through by rule 3, `allow from blog to any port 3306 proto tcp`',
    'tcp from 2001:db8::7 to port 3306 is let through by rule 3, `allow from blog to any port 3306 proto tcp`',
  ]);
});

test.each([
  ['deny 80/tcp', 'expect allow 80/tcp', 'tcp to port 80 is denied by rule 1, `deny 80/tcp`'],
  ['reject 80/tcp', 'expect allow 80/tcp', 'tcp to port 80 is rejected by rule 1, `reject 80/tcp`'],
  ['limit 80/tcp', 'expect deny 80/tcp', 'tcp to port 80 is let through by rule 1, `limit 80/tcp`'],
  ['limit 80/tcp', 'expect reject 80/tcp', 'tcp to port 80 is let through by rule 1, `limit 80/tcp`'],
  ['deny 80/tcp', 'expect reject 80/tcp', 'tcp to port 80 is denied by rule 1, `deny 80/tcp`'],
  ['reject 80/tcp', 'expect deny 80/tcp', undefined],
  ['deny 1', 'expect allow 80', 'tcp to port 80 is denied by the default, `deny incoming`'],
  [
    'allow in on eth0',
    'expect deny 80/tcp',
    'tcp to port 80, in on eth0 is let through by rule 1, `allow in on eth0`',
  ],
  [
    'allow in on eth0 to any port 80',
    'expect allow 80/tcp',
    'tcp to port 80, in on an interface that nothing names is denied by the default, `deny incoming`',
  ],
  ['allow in on eth+ to any port 80', 'expect allow in on eth7 to any port 80', undefined],
  [
    'deny out to any port 25 proto tcp',
    'expect allow out to any port 25',
    'tcp to port 25 is denied by rule 1, `deny out 25/tcp`',
  ],
  [
    'allow 80/tcp',
    'expect route allow in on eth0 to any port 80 proto tcp',
    'tcp to port 80, in on eth0 is denied by the default, `deny routed`',
  ],
  // What is built in passes, and is nothing that an expectation of wide reach asks about.
  ['deny 1', 'expect deny from any to any', undefined],
  ['deny 1', 'expect deny in on lo', 'any protocol, in on lo is let through by what is built in: loopback'],
  [
    'deny 1',
    'expect deny from any port 67 to any port 68 proto udp',
    "udp from port 67 to port 68 is let through by what is built in: this host's DHCP client",
  ],
])('%s; %s', (rule, expectation, wanted) => {
  // What holds in IPv6 as well is told once; DHCP is IPv4's there.
  expect([...new Set(failing(`${rule}\n${expectation}\n`))].slice(1)).toEqual(
    wanted === undefined ? [] : [wanted],
  );
});

test('to and from containers on this host is not what `out` is about', () => {
  const facts = { containers: ['docker0', 'net7'], others: [], bridges: ['docker0', 'net7'] };
  expect(failing('default deny outgoing\nexpect deny out to any\n', facts)).toEqual([]);
  expect(failing('default deny outgoing\nexpect deny out on net7\n', facts)[1]).toBe(
    'any protocol, out on net7 is let through by what is built in: to a container on this host',
  );
});

test('an expectation of no packets says so', () => {
  const [result] = testExpectations(
    parsed('group six 2001:db8::1\nexpect allow from six proto igmp\n'),
    NO_FACTS,
  );
  expect(result).toMatchObject({ empty: true, counterexamples: [] });
});

test('of random policies: what is said of one flow is what the first sentence that fits says', () => {
  const counts = { holds: 0, fails: 0 };
  const VERBS = { allow: 'accept', deny: 'drop', reject: 'reject' } as const;
  fc.assert(
    fc.property(
      policies(WIDE_WORLD, 8),
      fc.array(flows(WIDE_WORLD, ['tcp', 'udp']), { minLength: 6, maxLength: 6 }),
      fc.constantFrom('allow', 'deny', 'reject'),
      (random, list, verb) => {
        const facing = list.filter(({ interface: name }) => !name.endsWith('+'));
        const lines = facing.map(
          (flow) =>
            `expect ${verb} ${flow.direction} on ${flow.interface} from ${formatAddress(flow.source)} port ${flow.sourcePort} ` +
            `to ${formatAddress(flow.destination)} port ${flow.destinationPort} proto ${flow.protocol}`,
        );
        const results = testExpectations(parsed(`${policyText(random)}${lines.join('\n')}\n`), NO_FACTS);
        for (const [i, { counterexamples, empty }] of results.entries()) {
          const verdict = meaning(random, facing[i]!);
          const limited = verdict === 'accept' && verb === 'reject';
          const holds = verb === 'deny' ? verdict !== 'accept' : VERBS[verb] === verdict && !limited;
          if (empty || holds !== (counterexamples.length === 0))
            throw new Error(
              `${lines[i]}: ${verdict}, ${JSON.stringify(counterexamples.map(counterexampleText))}\n${policyText(random)}`,
            );
          counts[holds ? 'holds' : 'fails']++;
        }
      },
    ),
    { numRuns: runs(150), endOnFailure: true },
  );
  expect(Math.min(counts.holds, counts.fails)).toBeGreaterThan(runs(100));
});
