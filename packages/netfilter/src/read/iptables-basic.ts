// The conditions that iptables has without any `-m`: addresses, interfaces, protocol, fragments.
import { type Expression, meta, payload } from '../model/expression.ts';
import { match, oneOf, type Statement } from '../model/statement.ts';
import { number, type Value } from '../model/value.ts';
import { interfaceValue } from './iptables-match-host.ts';
import { parseNetwork, parseProtocol } from './iptables-value.ts';

/** nft's name for the protocol of `-p`, if it has one. */
export function protocolName(text: string): string | undefined {
  const protocol = parseProtocol(text);
  return protocol?.kind === 'symbol' ? protocol.name : undefined;
}

/** `-s`, `-d`, `-i`, `-o`, `-p` or `-f`; empty when it asks for nothing. */
export function readBasicMatch(
  option: string,
  text: string,
  negated: boolean,
  family: 'ip' | 'ip6',
): readonly Statement[] {
  const operator = negated ? '!=' : '==';
  switch (option) {
    case '-s':
      return readAddresses(payload(family, 'saddr'), text, family, negated);
    case '-d':
      return readAddresses(payload(family, 'daddr'), text, family, negated);
    case '-i':
    case '-o': {
      const left = meta(option === '-i' ? 'iifname' : 'oifname');
      const value = interfaceValue(text);
      if (value !== undefined) return [match(left, value, operator)];
      return negated ? [match(left, { kind: 'any' }, '!=')] : [];
    }
    case '-p': {
      const protocol = parseProtocol(text);
      return protocol === undefined ? [] : [match(meta('l4proto'), protocol, operator)];
    }
    case '-f': {
      // The offset is 0 in whole packets and in first fragments.
      const offset: Expression = { kind: 'mask', of: payload('ip', 'frag-off'), mask: number(0x1fff) };
      return [match(offset, number(0), negated ? '==' : '!=')];
    }
    default:
      return [{ kind: 'unknown', raw: `${option} ${text}` }];
  }
}

/** One address, or a list of which iptables makes a rule each. */
function readAddresses(
  left: Expression,
  text: string,
  family: 'ip' | 'ip6',
  negated: boolean,
): readonly Statement[] {
  const operator = negated ? '!=' : '==';
  if (!text.includes(',')) {
    const network = parseNetwork(text, family);
    if (network === undefined) return [match(left, { kind: 'unknown', raw: text }, operator)];
    if (network.mask !== undefined) {
      return [match({ kind: 'mask', of: left, mask: network.mask }, network.value, operator)];
    }
    return !negated && isAnyAddress(network.value) ? [] : [match(left, network.value, operator)];
  }
  // Which iptables refuses with a sign before it.
  if (negated) return [{ kind: 'unknown', raw: `! ${text}` }];
  const networks = text.split(',').map((each) => parseNetwork(each, family));
  const plain: Value[] = [];
  const branches: Statement[][] = [];
  for (const network of networks) {
    if (network === undefined) return [match(left, { kind: 'unknown', raw: text })];
    if (network.mask === undefined) plain.push(network.value);
    else branches.push([match({ kind: 'mask', of: left, mask: network.mask }, network.value)]);
  }
  if (plain.some(isAnyAddress)) return [];
  if (plain.length > 0) branches.push([match(left, oneOf(plain))]);
  return branches.length === 1 ? branches[0]! : [{ kind: 'or', branches }];
}

/** `0.0.0.0/0` is no condition. */
function isAnyAddress(value: Value): boolean {
  return value.kind === 'prefix' && value.prefix.length === 0;
}
