// Random nft: tables of nft's own language with every construct whose effect on a packet can be seen.

import type { Random } from './random.ts';
import { type RuleContext, randomMatches } from './random-matches.ts';
import { apart, hostOf, INTERFACES, MARKS, MASKS, PORTS, V4, V6 } from './random-values.ts';

type Family = 'ip' | 'ip6' | 'inet';

type Base = { readonly type: 'filter' | 'nat' | 'route'; readonly hook: string; readonly priority: number };

const FILTER_PRIORITIES: Readonly<Record<string, readonly number[]>> = {
  prerouting: [-310, -300, -150, -90, 0],
  input: [-150, 0, 0, 10, 50],
  forward: [-150, 0, 0, 10],
  output: [-300, -150, 0, 10],
  postrouting: [-150, 0, 150],
};
const NAT: readonly Base[] = [
  { type: 'nat', hook: 'prerouting', priority: -100 },
  { type: 'nat', hook: 'prerouting', priority: -105 },
  { type: 'nat', hook: 'output', priority: -100 },
  { type: 'nat', hook: 'postrouting', priority: 100 },
  { type: 'nat', hook: 'input', priority: 100 },
];
const REJECT_HOOKS = ['input', 'forward', 'output', 'prerouting'];
/** NF_IP_PRI_CONNTRACK: later rules cannot take a packet out of tracking. */
const TRACKING = -200;

/** One to three tables with chains at random hooks, some calling others. */
export function randomNft(random: Random): string {
  const count = 1 + random.int(3);
  const tables = Array.from({ length: count }, (_, i) =>
    randomTable(random, random.pick(['inet', 'inet', 'ip', 'ip', 'ip6']), `t${i}`),
  );
  return `${tables.join('\n')}\n`;
}

function randomTable(random: Random, family: Family, name: string): string {
  const bases = randomBases(random);
  const sets = randomSets(random, family);
  const chains = bases.flatMap((base, i) => randomChains(random, family, base, `b${i}`, sets));
  return [`table ${family} ${name} {`, ...sets.map(({ text }) => text), ...chains, '}'].join('\n');
}

function randomBases(random: Random): Base[] {
  const filters = Array.from({ length: 1 + random.int(4) }, (): Base => {
    const hook = random.pick(['input', 'input', 'forward', 'output', 'prerouting', 'postrouting']);
    if (hook === 'output' && random.chance(20)) return { type: 'route', hook, priority: -150 };
    return { type: 'filter', hook, priority: random.pick(FILTER_PRIORITIES[hook]!) };
  });
  return random.chance(45) ? [...filters, ...random.some(NAT, 1 + random.int(2))] : filters;
}

/** One host, and not the one that asks: nobody answers for a group. */
function isTarget(text: string): boolean {
  return !text.includes('/') && !/^(224|127|ff|::1|10\.255|2001:db8:ffff)/.test(text);
}

/** A named set or map, and how a rule asks it. */
export type Named = { readonly text: string; readonly name: string; readonly kind: string };

function randomSets(random: Random, family: Family): Named[] {
  const own = family === 'ip6' ? 'ip6' : 'ip';
  const address = own === 'ip' ? 'ipv4_addr' : 'ipv6_addr';
  const pool = own === 'ip' ? V4 : V6;
  const hosts = pool.filter((each) => !each.includes('/'));
  const targets = pool.filter(isTarget);
  const marks = ['0x1', '0x10', '0xff00'];
  const all: Named[] = [
    named(
      'addresses',
      `set addresses { type ${address}; flags interval; auto-merge; elements = { ${apart(random, pool, 4).join(', ')} }; }`,
    ),
    named(
      'ports',
      `set ports { type inet_service; flags interval; auto-merge; elements = { ${apart(random, [...PORTS, '100-200'], 4).join(', ')} }; }`,
    ),
    named(
      'pairs',
      `set pairs { type ${address} . inet_service; elements = { ${random
        .some(hosts, 2)
        .map((host) => `${host} . ${random.pick(PORTS)}`)
        .join(', ')} }; }`,
    ),
    named(
      'wide',
      `set wide { type ${address} . inet_service; flags interval; elements = { ${random.pick(pool)} . 20-90, ${random.pick(hosts)} . 443-8080 }; }`,
    ),
    named(
      'services',
      'set services { type inet_proto . inet_service; elements = { tcp . 80, udp . 53, tcp . 22 }; }',
    ),
    named(
      'links',
      `set links { type ifname; elements = { ${random
        .some(INTERFACES, 2)
        .map((each) => `"${each}"`)
        .join(', ')} }; }`,
    ),
    named('empty', `set empty { type ${address}; }`),
    named(
      'verdicts',
      `map verdicts { type inet_service : verdict; elements = { 22 : accept, 80 : drop, 443 : continue, 8080 : return }; }`,
    ),
    named(
      'marks',
      `map marks { type inet_service : mark; elements = { ${PORTS.slice(0, 3)
        .map((port) => `${port} : ${random.pick(marks)}`)
        .join(', ')} }; }`,
    ),
    named(
      'targets',
      `map targets { type inet_service : ${address}; elements = { 80 : ${random.pick(targets)}, 8080 : ${random.pick(targets)} }; }`,
    ),
  ];
  return random.some(all, random.int(6));
}

const named = (kind: string, text: string): Named => ({ kind, name: kind, text });

function randomChains(
  random: Random,
  family: Family,
  base: Base,
  name: string,
  sets: readonly Named[],
): string[] {
  const others = Array.from({ length: random.int(4) }, (_, i) => `${name}_${i}`);
  const { type, hook, priority } = base;
  const policy = type === 'nat' ? 'accept' : random.pick(['accept', 'accept', 'drop']);
  const bodies = [name, ...others].map((chain, i) => {
    const callable = others.slice(i);
    const rules = Array.from({ length: 1 + random.int(7) }, () =>
      randomRule(random, { family, sets, ...base }, callable),
    );
    const head = i === 0 ? [`type ${type} hook ${hook} priority ${priority}; policy ${policy};`] : [];
    return [`chain ${chain} {`, ...head, ...rules, '}'].map((line) => `  ${line}`).join('\n');
  });
  // A chain is there before one that calls it.
  return bodies.reverse();
}

type Place = Base & { readonly family: Family; readonly sets: readonly Named[] };

function randomRule(random: Random, place: Place, callable: readonly string[]): string {
  const network =
    place.family === 'inet' ? random.pick(['ip', 'ip', 'ip6', undefined] as const) : place.family;
  const transport = random.pick(['tcp', 'tcp', 'udp', 'icmp', undefined, undefined] as const);
  const context: RuleContext = {
    hook: place.hook,
    early: place.priority < TRACKING,
    network: network === undefined && transport === 'icmp' ? 'ip' : network,
    transport,
    sets: place.sets,
  };
  const matches = randomMatches(random, context, random.int(4));
  const parts = [...matches];
  if (random.chance(30)) parts.splice(random.int(parts.length + 1), 0, randomEffect(random, place, context));
  if (random.chance(15)) parts.push('counter');
  const end = randomEnd(random, place, context, callable);
  const text = [...parts, ...(end === undefined ? [] : [end])].join(' ');
  return text === '' ? 'counter' : text;
}

function randomEffect(random: Random, { sets }: Place, { network, transport, early }: RuleContext): string {
  const hasMarks = sets.some(({ kind }) => kind === 'marks') && (transport === 'tcp' || transport === 'udp');
  const choices = [
    `meta mark set ${random.pick(MARKS)}`,
    `meta mark set meta mark ${random.pick(['|', '&', '^'])} ${random.pick(MASKS)}`,
    `meta mark set meta mark & ${random.pick(MASKS)} | ${random.pick(['0x1', '0x10'])}`,
    ...(early
      ? ['notrack', 'notrack']
      : ['ct mark set meta mark', 'meta mark set ct mark', `ct mark set ${random.pick(MARKS)}`]),
    ...(network === 'ip' ? ['ip dscp set af11', 'ip ttl set 33'] : []),
    ...(network === 'ip6' ? ['ip6 dscp set af11', 'ip6 hoplimit set 33'] : []),
    ...(hasMarks ? [`meta mark set ${transport} dport map @marks`] : []),
    ...(transport === 'tcp' ? ['meta mark set tcp dport map { 22 : 0x1, 80-90 : 0x10 }'] : []),
    'meta priority set 1:2',
  ];
  return random.pick(choices);
}

function randomEnd(
  random: Random,
  place: Place,
  context: RuleContext,
  callable: readonly string[],
): string | undefined {
  const { transport } = context;
  if (place.type === 'nat' && random.chance(70)) return randomNat(random, place, context);
  const calls = callable.map((chain) => random.pick([`jump ${chain}`, `jump ${chain}`, `goto ${chain}`]));
  const anywhere = callable.length > 0 ? `jump ${callable[0]}` : 'return';
  const ends = [
    ...['accept', 'accept', 'accept', 'drop', 'drop', 'return', 'continue', undefined],
    ...calls,
    ...calls,
    ...(context.early ? [] : [`ct state vmap { established : accept, invalid : drop, new : ${anywhere} }`]),
    `meta mark vmap { 0x1 : drop, 0x10 : accept, 0 : ${anywhere} }`,
    ...(transport === 'tcp' || transport === 'udp'
      ? [
          `${transport} dport vmap { 22 : accept, 80-90 : drop, 443 : ${anywhere} }`,
          ...(place.sets.some(({ kind }) => kind === 'verdicts')
            ? [`${transport} dport vmap @verdicts`]
            : []),
        ]
      : []),
    ...(REJECT_HOOKS.includes(place.hook) && place.type === 'filter'
      ? [
          'reject',
          ...(place.family === 'inet' ? ['reject with icmpx type admin-prohibited'] : []),
          ...(transport === 'tcp' ? ['reject with tcp reset'] : []),
        ]
      : []),
  ];
  return random.pick(ends);
}

function randomNat(
  random: Random,
  { hook, family, sets }: Place,
  { network, transport }: RuleContext,
): string {
  const source = hook === 'postrouting' || hook === 'input';
  const hasPorts = transport === 'tcp' || transport === 'udp';
  if (network === undefined) return hook === 'prerouting' || hook === 'output' ? 'redirect' : 'accept';
  const hosts = (network === 'ip' ? V4 : V6).filter(isTarget);
  const host = hostOf(random.pick(hosts));
  const with80 = network === 'ip' ? `${host}:80` : `[${host}]:80`;
  const to = family === 'inet' ? `${network} to` : 'to';
  if (source) {
    const choices = [`snat ${to} ${host}`, ...(hook === 'postrouting' ? ['masquerade'] : [])];
    return random.pick(choices);
  }
  const targets = sets.some(({ kind }) => kind === 'targets') && (family === 'ip6') === (network === 'ip6');
  return random.pick([
    `dnat ${to} ${host}`,
    ...(hasPorts
      ? [
          `dnat ${to} ${with80}`,
          'redirect to :8080',
          `dnat ${to} ${with80}`,
          ...(targets ? [`dnat ${to} ${transport} dport map @targets`] : []),
        ]
      : ['redirect']),
  ]);
}
