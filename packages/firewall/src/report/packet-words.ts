// One packet in words: `tcp 198.51.100.1:32768 → 192.0.2.1:80, in eth0`.
import { type FieldValue, formatAddress, type PacketFields, protocolName } from '@moat/netfilter';

const PORTS: readonly number[] = [6, 17, 33, 132, 136];
const ICMP: readonly number[] = [1, 58];

/** What is unusual is said: a state that is not `new`, and fields of the list `told`. */
export function packetWords(fields: PacketFields): string {
  const proto = Number(fields['proto'] ?? 0);
  const port = (name: string): string =>
    PORTS.includes(proto) && fields[name] !== undefined ? String(fields[name]) : '';
  const side = (address: string, name: string): string => {
    const value = fields[address];
    if (value === undefined) return 'anywhere';
    const text = valueText(value);
    if (port(name) === '') return text;
    return text.includes(':') ? `[${text}]:${port(name)}` : `${text}:${port(name)}`;
  };
  const dport = Number(fields['dport'] ?? 0);
  const type = ICMP.includes(proto) ? ` type ${dport >> 8} code ${dport & 255}` : '';
  const ways = (['iif', 'oif'] as const).flatMap((name) => {
    const value = fields[name];
    if (value === undefined || value === '-') return [];
    return [`${name === 'iif' ? 'in' : 'out'} ${value === '*' ? 'any interface' : value}`];
  });
  const state = fields['state'];
  const more = state === undefined || state === 'new' ? [] : [`state ${state}`];
  const text = `${protocolName(proto) ?? `protocol ${proto}`}${type} ${side('src', 'sport')} → ${side('dst', 'dport')}`;
  return [text, ...ways, ...more].join(', ');
}

/** Fields as JSON has them: numbers, words, addresses as text. */
export function packetJson(fields: PacketFields): Readonly<Record<string, string | number>> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      typeof value === 'number' ? value : valueText(value),
    ]),
  );
}

function valueText(value: FieldValue): string {
  return typeof value === 'object' ? formatAddress(value) : String(value);
}
