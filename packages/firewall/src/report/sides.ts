// The To and From columns as ufw writes them.
import { formatPrefix, type IpFamily } from '@moat/netfilter';
import type { Endpoint, Policy, RuleSentence } from '../policy/model.ts';
import { formatPorts } from '../policy/print.ts';

/** The families in which a sentence says something: one if an address or a group fixes it. */
export function familiesOf(rule: RuleSentence, policy: Policy): readonly IpFamily[] {
  const allows = ({ address }: Endpoint, family: IpFamily): boolean => {
    if (address.kind === 'any') return true;
    if (address.kind === 'prefix') return address.prefix.family === family;
    const group = policy.groups.get(address.name);
    if (group === undefined) return false;
    return group.names.length > 0 || group.members.some((member) => member.family === family);
  };
  const onlyIpv4 = rule.protocol === 'igmp' || rule.protocol === 'ipv6';
  return (['ipv4', 'ipv6'] as const).filter(
    (family) => allows(rule.from, family) && allows(rule.to, family) && !(onlyIpv4 && family === 'ipv6'),
  );
}

/** `22/tcp (v6)`, `192.0.2.1 25/tcp`, `Anywhere on eth0`, `blog`. */
export function sideText(rule: RuleSentence, side: 'to' | 'from', family: IpFamily): string {
  const end = rule[side];
  const parts: string[] = [];
  if (end.address.kind === 'prefix') parts.push(formatPrefix(end.address.prefix));
  else if (end.address.kind === 'group') parts.push(end.address.name);
  else if (end.ports === undefined) parts.push('Anywhere');
  if (end.ports !== undefined) parts.push(formatPorts(end.ports));
  // The protocol stands where the ports stand; without any, in the To column.
  const portless = rule.to.ports === undefined && rule.from.ports === undefined;
  const hasProtocol = rule.protocol !== 'any' && (end.ports !== undefined || (portless && side === 'to'));
  const protocol = hasProtocol ? `/${rule.protocol}` : '';
  const mark = family === 'ipv6' && end.address.kind !== 'prefix' ? ' (v6)' : '';
  // In and out rules name the interface on the host's side.
  const hostSide = rule.direction === 'in' ? 'to' : 'from';
  const on = rule.interface !== undefined && side === hostSide ? ` on ${rule.interface}` : '';
  return `${parts.join(' ')}${protocol}${mark}${on}`;
}
