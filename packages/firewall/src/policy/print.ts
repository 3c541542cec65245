// A sentence as text, in the shortest form that ufw's grammar has for it.
import { formatPrefix, type IntervalSet } from '@moat/netfilter';
import type { Endpoint, ExpectSentence, RuleSentence, Sentence } from './model.ts';
import { formatMoment } from './time.ts';
import { quoted } from './words.ts';

/** `80,443,8080:8090` */
export function formatPorts(ports: IntervalSet<number>): string {
  return ports.map(({ first, last }) => (first === last ? `${first}` : `${first}:${last}`)).join(',');
}

/** `any`, `192.0.2.0/24`, or the group's name. */
export function formatEndpointAddress({ address }: Endpoint): string {
  switch (address.kind) {
    case 'any':
      return 'any';
    case 'prefix':
      return formatPrefix(address.prefix);
    case 'group':
      return address.name;
    default:
      return address satisfies never;
  }
}

function side(keyword: 'from' | 'to', endpoint: Endpoint): string[] {
  if (endpoint.address.kind === 'any' && endpoint.ports === undefined) return [];
  const words = [keyword, formatEndpointAddress(endpoint)];
  return endpoint.ports === undefined ? words : [...words, 'port', formatPorts(endpoint.ports)];
}

/** What the rule is about, without action, end and comment: `80/tcp`, `in on eth0 to any port 53`. */
export function formatMatch(
  rule: Pick<RuleSentence, 'direction' | 'interface' | 'protocol' | 'from' | 'to'>,
): string {
  const { direction, protocol, from, to } = rule;
  const anywhere = from.address.kind === 'any' && to.address.kind === 'any' && rule.interface === undefined;
  if (anywhere && from.ports === undefined && to.ports !== undefined) {
    const ports = formatPorts(to.ports) + (protocol === 'any' ? '' : `/${protocol}`);
    return direction === 'out' ? `out ${ports}` : ports;
  }
  const words: string[] = [];
  if (rule.interface !== undefined) words.push(direction, 'on', rule.interface);
  else if (direction === 'out') words.push('out');
  const sides = [...side('from', from), ...side('to', to)];
  words.push(...sides);
  if (sides.length === 0 && rule.interface === undefined) words.push('to', 'any');
  if (protocol !== 'any') words.push('proto', protocol);
  return words.join(' ');
}

/** What is expected and of which flows, without `expect` and comment: `route deny in on eth1 to any port 53`. */
export function formatExpected(expectation: ExpectSentence): string {
  const { verdict, traffic, inInterface, outInterface, protocol, from, to } = expectation;
  if (traffic !== 'routed') {
    const rule = { direction: traffic === 'incoming' ? 'in' : 'out', protocol, from, to } as const;
    return `${verdict} ${formatMatch({ ...rule, interface: inInterface ?? outInterface })}`;
  }
  const words = ['route', verdict];
  if (inInterface !== undefined) words.push('in', 'on', inInterface);
  if (outInterface !== undefined) words.push('out', 'on', outInterface);
  const sides = [...side('from', from), ...side('to', to)];
  words.push(...(sides.length === 0 ? ['to', 'any'] : sides));
  if (protocol !== 'any') words.push('proto', protocol);
  return words.join(' ');
}

function withComment(text: string, comment: string | undefined): string {
  return comment === undefined ? text : `${text} comment ${quoted(comment)}`;
}

/**
 * The canonical text of a sentence, keywords in lower case, ports as numbers; parsing it gives the sentence
 * again. The sentence must come from the parser (a comment with both kinds of quotes cannot be written).
 */
export function formatSentence(sentence: Sentence): string {
  switch (sentence.kind) {
    case 'rule': {
      const until = sentence.until === undefined ? '' : ` until ${formatMoment(sentence.until)}`;
      return withComment(`${sentence.action} ${formatMatch(sentence)}${until}`, sentence.comment);
    }
    case 'expect':
      return withComment(`expect ${formatExpected(sentence)}`, sentence.comment);
    case 'default':
      return `default ${sentence.verdict} ${sentence.traffic}`;
    case 'logging':
      return `logging ${sentence.level}`;
    case 'group':
      return ['group', sentence.name, ...sentence.members.map(formatPrefix), ...sentence.names].join(' ');
    default:
      return sentence satisfies never;
  }
}
