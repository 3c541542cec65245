// What stands after `from` and `to` and in groups: `any`, an address, a network, the name of a group.
import {
  bitsOf,
  formatPrefix,
  type Prefix,
  parseAddress,
  parsePrefix,
  prefixOf,
  unmapAddress,
} from '@moat/netfilter';
import { isLikeHostName } from './host-names.ts';
import { RESERVED } from './keywords.ts';
import type { EndpointAddress } from './model.ts';
import { complain, isKeyword, type Reader, warn, writeInstead } from './reader.ts';
import type { Word } from './words.ts';

export const GROUP_NAME = /^[a-z][a-z0-9_-]{0,30}$/;
const EXPECTED_PREFIX = 'an IPv4 or IPv6 address, or a network such as 192.0.2.0/24 or 2001:db8::/32';
const EXPECTED_ADDRESS = `\`any\`, ${EXPECTED_PREFIX}, or the name of a group`;

/** The prefix length of a dotted IPv4 mask; undefined if its ones are not all at the left. */
function maskLength(text: string): number | undefined {
  const mask = parseAddress(text);
  if (mask?.family !== 'ipv4') return undefined;
  const bits = mask.value.toString(2).padStart(32, '0');
  return /^1*0*$/.test(bits) ? bits.replace(/0/g, '').length : undefined;
}

function withoutLeadingZeros(text: string): string {
  return text.replace(/(^|[./])0+(?=[0-9])/g, '$1');
}

function addressHint(reader: Reader, word: Word): string | undefined {
  const { text } = word;
  const plain = withoutLeadingZeros(text);
  if (/^[0-9./]+$/.test(text) && plain !== text && 'prefix' in parsePrefix(plain)) {
    return `leading zeros mean octal to some programs; if you mean decimal, ${writeInstead(reader, word, plain)}`;
  }
  if (/^[0-9a-fA-F.:]+-[0-9a-fA-F.:]+$/.test(text))
    return 'write the range as networks, or put those in a group';
  if (text.startsWith('!')) return 'there is no `not`: put a rule with the opposite action before this one';
  if (text.includes(',')) return 'put the addresses in a group: `group NAME ADDRESS ADDRESS …`';
  if (/^fe80:.*%/i.test(text)) return 'leave out the zone and name the interface: `in on IFACE`';
  if (GROUP_NAME.test(text.toLowerCase()))
    return `groups are written in lower case: \`${text.toLowerCase()}\``;
  if (isLikeHostName(text)) return groupHint(text);
  return undefined;
}

/** Names of hosts stand in groups only: whoever reads a rule sees that it depends on what a group holds by now. */
function groupHint(host: string): string {
  const [first = ''] = host.toLowerCase().split('.');
  const group = GROUP_NAME.test(first) && !RESERVED.has(first) ? first : 'NAME';
  return `names of hosts stand in groups: \`group ${group} ${host}\`, and here \`${group}\``;
}

/** The form with a prefix length of `A.B.C.D/M.M.M.M`; text of other forms as it is. */
function withMaskAsLength(text: string): { text: string } | { problem: 'mask' } {
  const match = /^([^/]+)\/([0-9]+(?:\.[0-9]+){3})$/.exec(text);
  if (match === null) return { text };
  const length = maskLength(match[2]!);
  return length === undefined ? { problem: 'mask' } : { text: `${match[1]}/${length}` };
}

/** A network from the word. Host bits are cleared with a warning, but not for /0: that opens the world by a typo. */
export function readPrefix(reader: Reader, word: Word, expected = EXPECTED_PREFIX): Prefix | undefined {
  const plain = withMaskAsLength(word.text);
  const result = 'problem' in plain ? plain : parsePrefix(plain.text);
  if ('problem' in result) {
    const bad = { mask: 'bad network mask', length: 'bad prefix length', address: 'bad address' } as const;
    return complain(reader, 'address', word, {
      message: bad[result.problem],
      expected:
        result.problem === 'mask' ? 'a mask whose ones are all at the left, or a prefix length' : expected,
      hint: addressHint(reader, word),
    });
  }
  const { prefix, hostBits } = result;
  const whole = bitsOf(prefix.family);
  if (prefix.length === 0 && hostBits) {
    const address = word.text.slice(0, word.text.indexOf('/'));
    return complain(reader, 'whole-internet', word, {
      message: '/0 means every address there is',
      expected:
        prefix.family === 'ipv4' ? '0.0.0.0/0 if you mean all of IPv4' : '::/0 if you mean all of IPv6',
      hint: `for the one address, ${writeInstead(reader, word, `${address}/${whole}`)}`,
    });
  }
  if (prefix.family === 'ipv6' && prefix.length >= 96) {
    const inner = unmapAddress(prefix);
    if (inner.family === 'ipv4') {
      const mapped = formatPrefix(prefixOf(inner, prefix.length - 96));
      return complain(reader, 'address', word, {
        message: 'an IPv4-mapped address never appears in packets',
        expected,
        hint: writeInstead(reader, word, mapped),
      });
    }
  }
  if (hostBits) {
    const normal = formatPrefix(prefix);
    warn(reader, 'host-bits', word, `\`${word.text}\` is normalised to \`${normal}\``, `write \`${normal}\``);
  }
  return prefix;
}

/** The address of one side of a sentence. Names of groups are noted in the reader and not looked up here. */
export function readAddress(reader: Reader, word: Word): EndpointAddress | undefined {
  if (isKeyword(word, 'any')) return { kind: 'any' };
  if (GROUP_NAME.test(word.text)) {
    reader.groupWords.push(word);
    return { kind: 'group', name: word.text };
  }
  const prefix = readPrefix(reader, word, EXPECTED_ADDRESS);
  return prefix === undefined ? undefined : { kind: 'prefix', prefix };
}
