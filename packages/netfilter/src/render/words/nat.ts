// Rewritten addresses in words.
import type { Operand } from '../../model/expression.ts';
import type { Nat, Tproxy } from '../../model/nat.ts';
import { operandWords } from './field.ts';
import type { Surroundings } from './value.ts';

/** `send to 172.17.0.2 port 80 (DNAT)`. */
export function natWords(nat: Nat, around: Surroundings): string {
  const where = target(nat.address, nat.port, around);
  const flags = nat.flags.filter((flag) => flag !== 'netmap');
  const how = flags.length === 0 ? '' : `, ${flags.join(', ')}`;
  const whole = nat.flags.includes('netmap') ? ', host part kept' : '';
  switch (nat.type) {
    case 'dnat':
      return `send to ${where}${whole} (DNAT${how})`;
    case 'snat':
      return `rewrite the source to ${where}${whole} (SNAT${how})`;
    case 'masquerade':
      return `rewrite the source to this host's address${where === '' ? '' : ` ${where}`} (masquerade${how})`;
    case 'redirect':
      return `send to this host${where === '' ? '' : ` ${where}`} (redirect${how})`;
    case 'netmap':
      return `rewrite the network to ${where}, host part kept (NETMAP${how})`;
    default:
      throw new Error(nat.type satisfies never);
  }
}

/** The packet goes to a local socket as it is. */
export function tproxyWords({ address, port, missing }: Tproxy, around: Surroundings): string {
  const where = target(address, port, around);
  const otherwise = missing === 'drop' ? ', drop when none listens' : '';
  return `hand to the local program at ${where === '' ? 'the same address and port' : where}${otherwise} (TPROXY)`;
}

function target(address: Operand | undefined, port: Operand | undefined, around: Surroundings): string {
  const none = { kind: 'unknown', raw: '' } as const;
  return [
    ...(address === undefined ? [] : [operandWords(none, address, around)]),
    ...(port === undefined ? [] : [`port ${operandWords(none, port, around)}`]),
  ].join(' ');
}
