// Policy → the table `inet moat`.
//
//   client ─▶ banned ─▶ (conntrack) ─▶ prerouting …
//
//   client ─▶ prerouting ──to an address of this host──▶ incoming ─┬─▶ (Docker's DNAT) ─▶ forward ─▶ container
//                 │                                                └─▶ input ─▶ process
//                 └──to elsewhere──▶ forward ─┬─ from a container ─▶ outgoing
//                                             └─ from a machine ──▶ routed
//   process ─▶ output ─▶ outgoing
//
// `incoming` runs before any DNAT, so a port there is the port that the client dialled. What it let pass
// carries a bit in its conntrack label: a flow that somebody's DNAT or redirect brings to forward or input
// without that bit was not addressed to this host, and counts as routed. Broadcast and multicast are judged in
// `input`: in prerouting they may be frames that only cross a bridge between containers.
import {
  type Chain,
  type Expression,
  meta,
  number,
  type Rule,
  type Statement,
  symbol,
  type Table,
  type Verdict,
} from '@moat/netfilter';
import type { Policy, Traffic } from '../policy/model.ts';
import { type Atom, atomsOf } from './atom.ts';
import { banChain, banSets } from './ban.ts';
import { blocksOf } from './block.ts';
import { builtinChain, builtinJump } from './builtin.ts';
import { bridgedRules, type ContainerLinks, containerRule, otherBridgeRules } from './container-links.ts';
import { cutSets } from './cut.ts';
import { gateSets } from './gate.ts';
import { groupSets } from './group.ts';
import { ruleIds } from './identity.ts';
import { limitChain, limitSets } from './limit.ts';
import { defaultLogRules, invalidLogRules, logsAllowed, newFlowLogRules } from './log.ts';
import { refuseChain } from './refuse.ts';
import { type InterfaceKey, ruleOf } from './rule.ts';
import { actionVerdict, defaultVerdict } from './verdict.ts';

export const TABLE = { family: 'inet', name: 'moat' } as const;

/** Just before the DNAT of iptables (nat PREROUTING, -100) and Docker's nft tables. */
const BEFORE_DNAT = -105;
/** Just before everybody's filter chains (0): a drop there is final, an accept leaves the others their say. */
const BEFORE_FILTER = -5;

/** The bit of the conntrack label (of 128) that says: addressed to this host, and `incoming` let it pass. */
const DIALLED_HERE = 127;

const ACCEPT: Verdict = { kind: 'accept' };
const DROP: Verdict = { kind: 'drop' };

function goto(chain: string): Verdict {
  return { kind: 'goto', chain };
}

function equal(left: Expression, right: Extract<Statement, { kind: 'match' }>['right']): Statement {
  return { kind: 'match', operator: '==', left, right };
}

function rule(comment: string, ...statements: readonly Statement[]): Rule {
  return { comment: `moat:${comment}`, statements };
}

function then(verdict: Verdict): Statement {
  return { kind: 'verdict', verdict };
}

const CT_STATE: Expression = { kind: 'ct', key: 'state' };
const CT_LABEL: Expression = { kind: 'ct', key: 'label' };
const HERE: Statement = equal(
  { kind: 'fib', result: 'type', flags: ['daddr'] },
  { kind: 'elements', elements: ['local', 'anycast'].map(symbol) },
);
const WAS_DIALLED_HERE: Statement = {
  kind: 'match',
  operator: 'in',
  left: CT_LABEL,
  right: number(DIALLED_HERE),
};

const WAS_REDIRECTED: Statement = {
  kind: 'match',
  operator: 'in',
  left: { kind: 'ct', key: 'status' },
  right: symbol('dnat'),
};

/**
 * The whole table for a policy on a machine with these container links. Pure: same input, same table. Sentences that have
 * ended must be left out of the policy (`liveAt`).
 */
export function compileTable(policy: Policy, links: ContainerLinks): Table {
  const ids = ruleIds(policy.rules);
  const limited = policy.rules.flatMap((sentence, i) => (sentence.action === 'limit' ? [ids[i]!] : []));
  const incoming = sentenceRules(policy, ids, 'in');
  const outgoing = sentenceRules(policy, ids, 'out');
  const { logging, defaults } = policy;
  // Where nothing is decided about outgoing traffic its packets need not be looked at.
  const filtersOutgoing = defaults.outgoing !== 'allow' || outgoing.length > 0 || logsAllowed(logging);

  const chains: Chain[] = [
    banChain(),
    base('prerouting', 'prerouting', BEFORE_DNAT, 'accept', [
      stateRule(logging),
      rule('loopback', equal(meta('iif'), symbol('lo')), then(ACCEPT)),
      rule(
        'dialled-here',
        HERE,
        { kind: 'mangle', key: CT_LABEL, value: number(DIALLED_HERE) },
        then(goto('incoming')),
      ),
    ]),
    base('input', 'input', BEFORE_FILTER, 'drop', [
      rule(
        'state',
        equal(CT_STATE, { kind: 'elements', elements: ['established', 'related'].map(symbol) }),
        then(ACCEPT),
      ),
      rule('loopback', equal(meta('iif'), symbol('lo')), then(ACCEPT)),
      rule('dialled-here', WAS_DIALLED_HERE, then(ACCEPT)),
      rule('redirected', WAS_REDIRECTED, then(goto('routed'))),
      // No NAT, so the address is the one that was dialled, and prerouting has judged it. The label is missing
      // where there is no conntrack entry, or one from before labels were in use.
      rule('dialled-here', HERE, then(ACCEPT)),
      // Broadcast, multicast, and what only a routing rule or a transparent proxy brings to this host.
      rule('incoming', then(goto('incoming'))),
    ]),
    base('forward', 'forward', BEFORE_FILTER, 'drop', [
      stateRule(logging),
      rule('dialled-here', WAS_DIALLED_HERE, then(ACCEPT)),
      ...bridgedRules(links),
      ...otherBridgeRules('iifname', links, goto('routed')),
      containerRule('iifname', links, goto('from_container')),
      rule('routed', then(goto('routed'))),
    ]),
    {
      name: 'from_container',
      rules: [
        ...otherBridgeRules('oifname', links, goto('outgoing')),
        containerRule('oifname', links, ACCEPT),
        rule('outgoing', then(goto('outgoing'))),
      ],
    },
    ...(filtersOutgoing
      ? [
          base('output', 'output', BEFORE_FILTER, defaults.outgoing === 'allow' ? 'accept' : 'drop', [
            rule(
              'state',
              equal(CT_STATE, { kind: 'elements', elements: ['established', 'related'].map(symbol) }),
              then(ACCEPT),
            ),
            rule('loopback', equal(meta('oif'), symbol('lo')), then(ACCEPT)),
            ...otherBridgeRules('oifname', links, goto('outgoing')),
            containerRule('oifname', links, ACCEPT),
            rule('outgoing', then(goto('outgoing'))),
          ]),
        ]
      : []),
    trafficChain(policy, 'incoming', [builtinJump('builtin_in'), ...incoming]),
    trafficChain(policy, 'outgoing', filtersOutgoing ? [builtinJump('builtin_out'), ...outgoing] : []),
    trafficChain(policy, 'routed', []),
    builtinChain('builtin_in'),
    ...(filtersOutgoing ? [builtinChain('builtin_out')] : []),
    ...limited.map(limitChain),
    ...(logsAllowed(logging) ? [invalidChain(policy)] : []),
    ...(refuses(policy) ? [refuseChain()] : []),
  ];
  return {
    ...TABLE,
    sets: [
      ...banSets(),
      ...cutSets(),
      ...gateSets(policy),
      ...groupSets(policy),
      ...limited.flatMap(limitSets),
    ],
    chains,
  };
}

function base(
  name: string,
  hook: 'prerouting' | 'input' | 'forward' | 'output',
  priority: number,
  policy: 'accept' | 'drop',
  rules: readonly Rule[],
): Chain {
  return { name, base: { type: 'filter', hook, priority, policy }, rules };
}

function stateRule(logging: Policy['logging']): Rule {
  const entry = (state: string, verdict: Verdict) => ({ key: symbol(state), verdict });
  const entries = [
    entry('established', ACCEPT),
    entry('related', ACCEPT),
    entry('invalid', logsAllowed(logging) ? goto('invalid') : DROP),
  ];
  return rule('state', { kind: 'vmap', key: CT_STATE, map: { kind: 'entries', entries } });
}

function invalidChain(policy: Policy): Chain {
  return { name: 'invalid', rules: [...invalidLogRules(policy.logging), rule('invalid', then(DROP))] };
}

function sentenceRules(policy: Policy, ids: readonly string[], direction: 'in' | 'out'): Rule[] {
  const interfaceKey: InterfaceKey = direction === 'in' ? 'iifname' : 'oifname';
  const atoms = policy.rules.flatMap((sentence, i): Atom[] => {
    if (sentence.direction !== direction) return [];
    return atomsOf(sentence, policy, ids[i]!, actionVerdict(sentence.action, ids[i]!));
  });
  return blocksOf(atoms).map((block) => ruleOf(block, interfaceKey));
}

/** New flows of one kind of traffic: the sentences in their order, then the default. */
function trafficChain(policy: Policy, traffic: Traffic, rules: readonly Rule[]): Chain {
  const verdict = policy.defaults[traffic];
  return {
    name: traffic,
    rules: [
      ...newFlowLogRules(policy.logging, traffic),
      ...rules,
      ...defaultLogRules(policy.logging, traffic, verdict),
      rule(`default-${traffic}`, { kind: 'counter', packets: 0, bytes: 0 }, then(defaultVerdict(verdict))),
    ],
  };
}

function refuses(policy: Policy): boolean {
  return (
    policy.rules.some(({ action }) => action === 'reject' || action === 'limit') ||
    Object.values(policy.defaults).includes('reject')
  );
}
