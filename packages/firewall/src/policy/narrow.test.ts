import { type Prefix, prefixInterval } from '@moat/netfilter';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { runs } from '../../../../test/runs.ts';
import { parsePolicyFile } from './file.ts';
import type { Endpoint, Policy, RuleSentence } from './model.ts';
import { narrows } from './narrow.ts';
import { parseServices } from './services.ts';

const services = parseServices('');

function policy(text: string): Policy {
  const result = parsePolicyFile(text, services);
  if (!result.ok) throw new Error(`${text}: ${JSON.stringify(result.problems)}`);
  return result.file.policy;
}

const BASE =
  'group blog 192.0.2.1\nallow 22\ndeny from 192.0.2.9\nallow 80/tcp\nlimit 25/tcp\nallow from blog\n';

describe('what takes nothing away', () => {
  it.each([
    ['nothing', BASE],
    ['an allow at the end', `${BASE}allow 443/tcp`],
    ['an allow at the front', `allow 443\n${BASE}`],
    ['a deny less', BASE.replace('deny from 192.0.2.9\n', '')],
    ['an allow for a limit', BASE.replace('limit', 'allow')],
    ['a wider allow instead', BASE.replace('allow 80/tcp', 'allow 80')],
    ['a group that grew', BASE.replace('192.0.2.1\n', '192.0.2.1 192.0.2.2\n')],
    ['an open default', `default allow incoming\n${BASE}`],
    ['other comments', BASE.replace('allow 22', "allow 22 comment 'x'")],
    ['a deny behind all, where the default is closed', `${BASE}deny 25`],
    [
      'a deny that touches nothing allowed',
      `deny 3306\n${BASE.replace('allow from blog\n', '')}`,
      BASE.replace('allow from blog\n', ''),
    ],
    ['another order of allows', 'allow 80\nallow 22', 'allow 22\nallow 80'],
    ['an allow less that an earlier one covered', 'allow 80', 'allow 80\nallow 80/tcp'],
  ])('%s', (_, after, before = BASE) => {
    expect(narrows(policy(before), policy(after))).toEqual([]);
  });
});

describe('what takes something away', () => {
  it.each([
    ['an allow less', BASE.replace('allow 22\n', ''), ['`allow 22` is gone']],
    ['an allow turned', BASE.replace('allow 22', 'deny 22'), ['`allow 22` is now `deny`']],
    ['a limit for an allow', BASE.replace('allow 80/tcp', 'limit 80/tcp'), ['`allow 80/tcp` is now `limit`']],
    ['a new limit in front', `limit 22/tcp\n${BASE}`, ['`limit 22/tcp` now comes before `allow 22`']],
    [
      'a deny in front',
      `deny 80\n${BASE}`,
      ['`deny 80` now comes before `allow 80/tcp`', '`deny 80` now comes before `allow from blog`'],
    ],
    ['a group that shrank', BASE.replace('192.0.2.1\n', '192.0.2.2\n'), ['`allow from blog` matches less']],
    ['a closed default', `default deny outgoing\n${BASE}`, ['default outgoing is now deny']],
    [
      'a closed default for routed',
      'default reject routed',
      ['default routed is now reject'],
      'default allow routed',
    ],
    ['a deny where the default is open', `deny out 25\n${BASE}`, ['`deny out 25` is new or matches more']],
    ['a limit less', BASE.replace('limit 25/tcp\n', ''), ['`limit 25/tcp` is gone']],
  ])('%s', (_, after, reasons, before = BASE) => {
    expect(narrows(policy(before), policy(after))).toEqual(reasons);
  });
});

interface Flow {
  direction: 'in' | 'out';
  interface: string;
  protocol: string;
  family: 'ipv4' | 'ipv6';
  from: bigint;
  fromPort: number;
  to: bigint;
  toPort: number;
}

function holds(prefixes: readonly Prefix[], family: string, address: bigint): boolean {
  return prefixes.some((prefix) => {
    const { first, last } = prefixInterval(prefix);
    return prefix.family === family && first <= address && address <= last;
  });
}

function endMatches(end: Endpoint, p: Policy, flow: Flow, address: bigint, port: number): boolean {
  if (end.ports !== undefined && !end.ports.some((range) => range.first <= port && port <= range.last))
    return false;
  if (end.address.kind === 'any') return true;
  const members =
    end.address.kind === 'prefix' ? [end.address.prefix] : p.groups.get(end.address.name)!.members;
  return holds(members, flow.family, address);
}

function matches(rule: RuleSentence, p: Policy, flow: Flow): boolean {
  const ported = rule.from.ports !== undefined || rule.to.ports !== undefined;
  const protocol =
    rule.protocol === 'any'
      ? !ported || flow.protocol === 'tcp' || flow.protocol === 'udp'
      : rule.protocol === flow.protocol && (rule.protocol !== 'igmp' || flow.family === 'ipv4');
  const named = rule.interface;
  const interfaceFits =
    named === undefined ||
    (named.endsWith('+') ? flow.interface.startsWith(named.slice(0, -1)) : named === flow.interface);
  return (
    rule.direction === flow.direction &&
    protocol &&
    interfaceFits &&
    endMatches(rule.from, p, flow, flow.from, flow.fromPort) &&
    endMatches(rule.to, p, flow, flow.to, flow.toPort)
  );
}

/** 2 accepted, 1 accepted up to a rate, 0 refused. */
function evaluate(p: Policy, flow: Flow): number {
  const rule = p.rules.find((candidate) => matches(candidate, p, flow));
  if (rule !== undefined) return rule.action === 'allow' ? 2 : rule.action === 'limit' ? 1 : 0;
  return p.defaults[flow.direction === 'in' ? 'incoming' : 'outgoing'] === 'allow' ? 2 : 0;
}

const action = fc.constantFrom('allow', 'allow', 'allow', 'deny', 'reject', 'limit');
const place = fc.constantFrom(
  'any',
  'any',
  '192.0.2.1',
  '192.0.2.0/31',
  '0.0.0.0/0',
  '2001:db8::/127',
  'g',
  'h',
);
const ports = fc.constantFrom('', ' port 1', ' port 2', ' port 1:3', ' port 1,3', ' port any');
const proto = fc.constantFrom('', ' proto tcp', ' proto udp', ' proto esp', ' proto igmp');
const onto = fc.constantFrom('', '', '', 'in on e0 ', 'in on e+ ', 'out ', 'out on e1 ');
const rule = fc
  .tuple(action, onto, place, ports, place, ports, proto)
  .map(([a, on, from, fp, to, tp, p]) => `${a} ${on}from ${from}${fp} to ${to}${tp}${p}`)
  .filter((line) => {
    const result = parsePolicyFile(`group g 192.0.2.1\ngroup h 192.0.2.1\n${line}`, services);
    return result.ok;
  });
const group = fc.uniqueArray(
  fc.constantFrom('192.0.2.0', '192.0.2.1', '192.0.2.0/31', '2001:db8::', '2001:db8::1'),
  {
    minLength: 1,
    maxLength: 3,
  },
);
const base = fc.record({
  rules: fc.array(rule, { maxLength: 5 }),
  g: group,
  h: group,
  incoming: fc.constantFrom('deny', 'reject', 'allow'),
  outgoing: fc.constantFrom('deny', 'allow'),
});
const change = fc.oneof(
  fc.record({ kind: fc.constant('insert' as const), at: fc.nat(5), line: rule }),
  fc.record({ kind: fc.constant('remove' as const), at: fc.nat(5) }),
  fc.record({ kind: fc.constant('swap' as const), at: fc.nat(5) }),
  fc.record({ kind: fc.constant('turn' as const), at: fc.nat(5), verb: fc.constantFrom('allow', 'deny') }),
  fc.record({ kind: fc.constant('group' as const), members: group }),
  fc.record({ kind: fc.constant('open' as const) }),
);

type Base = { rules: string[]; g: string[]; h: string[]; incoming: string; outgoing: string };

function textOf(b: Base): string {
  const head = [`default ${b.incoming} incoming`, `default ${b.outgoing} outgoing`];
  return [...head, `group g ${b.g.join(' ')}`, `group h ${b.h.join(' ')}`, ...b.rules].join('\n');
}

const FLOWS: Flow[] = [];
for (const direction of ['in', 'out'] as const) {
  for (const name of ['e0', 'e1', 'x']) {
    for (const protocol of ['tcp', 'udp', 'esp', 'igmp', 'sctp']) {
      for (const [family, low] of [
        ['ipv4', 0xc0000200n],
        ['ipv6', 0x20010db8n << 96n],
      ] as const) {
        for (const from of [low, low + 1n, low + 2n]) {
          for (const to of [low, low + 1n, low + 2n]) {
            for (const [fromPort, toPort] of [
              [1, 1],
              [2, 3],
              [3, 2],
              [1, 4],
              [4, 1],
              [4, 4],
            ] as const) {
              FLOWS.push({ direction, interface: name, protocol, family, from, fromPort, to, toPort });
            }
          }
        }
      }
    }
  }
}

describe('random changes', () => {
  it('are never called harmless when a flow loses access', () => {
    let harmless = 0;
    let narrowing = 0;
    fc.assert(
      fc.property(
        base,
        fc.array(change, { minLength: 1, maxLength: 3 }),
        fc.nat(),
        (before, changes, from) => {
          const after: Base = { ...before, rules: [...before.rules] };
          for (const step of changes) {
            if (step.kind === 'insert') after.rules.splice(step.at, 0, step.line);
            else if (step.kind === 'remove') after.rules.splice(step.at, 1);
            else if (step.kind === 'swap' && step.at + 1 < after.rules.length) {
              after.rules.splice(step.at, 2, after.rules[step.at + 1]!, after.rules[step.at]!);
            } else if (step.kind === 'turn' && step.at < after.rules.length) {
              after.rules[step.at] = after.rules[step.at]!.replace(/^\w+/, step.verb);
            } else if (step.kind === 'group') after.g = [...after.g, ...step.members];
            else if (step.kind === 'open') after.incoming = 'allow';
          }
          const [old, now] = [policy(textOf(before)), policy(textOf(after))];
          const reasons = narrows(old, now);
          if (reasons.length > 0) narrowing++;
          else harmless++;
          if (reasons.length > 0) return;
          // Each run looks at another ninth of the flows.
          for (let i = from % 9; i < FLOWS.length; i += 9) {
            const flow = FLOWS[i]!;
            if (evaluate(old, flow) > evaluate(now, flow)) {
              const shown = JSON.stringify(flow, (_, value) =>
                typeof value === 'bigint' ? value.toString(16) : value,
              );
              throw new Error(`loses access: ${shown}`);
            }
          }
        },
      ),
      { numRuns: runs(3000) },
    );
    expect(Math.min(harmless, narrowing)).toBeGreaterThan(runs(300));
  });
});
