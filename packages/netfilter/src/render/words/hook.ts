// Where the kernel calls a chain, in words.
import type { BaseChain, Hook, TableFamily } from '../../model/ruleset.ts';

const PLACES: Readonly<Record<Hook, string>> = {
  ingress: 'as it comes off the wire',
  prerouting: 'before routing',
  input: 'to this host itself',
  forward: 'through this host to others',
  output: 'from this host itself',
  postrouting: 'after routing, on the way out',
  egress: 'as it goes onto the wire',
};

/** `prerouting −100 (before routing, where destinations are rewritten)`. `family`: bridges count their own priorities. */
export function hookWords(
  { hook, priority, type, devices }: BaseChain,
  family: TableFamily = 'inet',
): string {
  const on = devices === undefined || devices.length === 0 ? [] : [`on ${devices.join(', ')}`];
  const step = type === 'nat' ? natStep(hook) : type === 'route' ? ROUTE : stepOf(hook, priority, family);
  return `${hook} ${priorityWords(priority)} (${[PLACES[hook], ...on, ...(step === undefined ? [] : [step])].join(', ')})`;
}

const ROUTE = 'where what is marked is routed again';

/** `−100`, with a true minus. */
export function priorityWords(priority: number): string {
  return priority < 0 ? `−${-priority}` : String(priority);
}

function natStep(hook: Hook): string {
  return hook === 'prerouting' || hook === 'output'
    ? 'where destinations are rewritten'
    : 'where sources are rewritten';
}

/** include/uapi/linux/netfilter_ipv4.h: NF_IP_PRI_CONNTRACK −200, _NAT_DST −100, _FILTER 0, _NAT_SRC 100. */
function stepOf(hook: Hook, priority: number, family: TableFamily): string | undefined {
  if (family !== 'ip' && family !== 'ip6' && family !== 'inet') return undefined;
  switch (hook) {
    case 'prerouting':
    case 'output':
      if (priority < -200) return 'before connections are known';
      if (priority < -100) return 'before destinations are rewritten';
      if (hook === 'output' && priority === 0) return FILTERS;
      return priority === -100 ? undefined : 'after destinations are rewritten';
    case 'input':
    case 'forward':
      if (priority === 0) return FILTERS;
      return priority < 0 ? 'before most filters' : 'after most filters';
    case 'postrouting':
      if (priority === 100) return undefined;
      return priority < 100 ? 'before sources are rewritten' : 'after sources are rewritten';
    case 'ingress':
    case 'egress':
      return undefined;
    default:
      throw new Error(hook satisfies never);
  }
}

const FILTERS = 'where most filters are';
