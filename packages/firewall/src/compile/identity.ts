// A short, stable id for each sentence, from what it matches: the comment on its rule, the word in its logs.
import { formatPrefix } from '@moat/netfilter';
import type { Endpoint, RuleSentence } from '../policy/model.ts';

/** The ids of the rules, in order, eight hex digits each, unique within the list. */
export function ruleIds(rules: readonly RuleSentence[]): string[] {
  const taken = new Set<string>();
  return rules.map((rule) => {
    const text = matchText(rule);
    let id = fnv1a(text);
    for (let again = 1; taken.has(id); again++) id = fnv1a(`${text} ${again}`);
    taken.add(id);
    return id;
  });
}

/** What makes two sentences the same rule: all but action and comment, as in ufw. */
function matchText(rule: RuleSentence): string {
  return [
    rule.direction,
    rule.interface ?? '',
    rule.protocol,
    endpointText(rule.from),
    endpointText(rule.to),
  ].join(' ');
}

function endpointText({ address, ports }: Endpoint): string {
  const where =
    address.kind === 'any'
      ? 'any'
      : address.kind === 'group'
        ? `@${address.name}`
        : formatPrefix(address.prefix);
  return `${where} ${ports?.map(({ first, last }) => `${first}-${last}`).join() ?? ''}`;
}

/** FNV-1a, 32 bits (Fowler, Noll, Vo): ids need spread, not secrecy. */
function fnv1a(text: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, '0');
}
