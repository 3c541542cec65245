// A box of packets as a person would say it: `tcp 8000-8100 from 10.0.0.0/8 in eth0`.
import { type Box, formatBoxField, type Layout, NO_INTERFACE, OTHER_INTERFACE } from '@moat/netfilter';

/** What stands before the values of a field, in the order of the words. */
const BEFORE: readonly (readonly [field: string, before: string])[] = [
  ['proto', ''],
  ['dport', ''],
  ['src', 'from '],
  ['sport', 'from port '],
  ['dst', 'to '],
  ['iif', 'in '],
  ['oif', 'out '],
];

const NAMES: Readonly<Record<string, string>> = {
  tcpflags: 'TCP flags',
  daddrtype: 'to an address that is',
  saddrtype: 'from an address that is',
  osrc: 'first sent from',
  odst: 'first sent to',
  osport: 'first sent from port',
  odport: 'first sent to port',
  status: 'flow status',
  label: 'flow label',
  uid: 'of user',
  gid: 'of group',
};

/** `what`: said where neither protocol nor port is. */
export function boxWords(layout: Layout, box: Box, what = 'everything'): string {
  const named = new Map(BEFORE);
  const others = Object.keys(box)
    .filter((name) => !named.has(name))
    .map((name) => [name, `${NAMES[name] ?? name} `] as const);
  const parts = [...BEFORE, ...others].flatMap(([name, before]) => {
    const isInterface = name === 'iif' || name === 'oif';
    const text = isInterface ? interfaceText(layout, box, name) : formatBoxField(layout, box, name);
    if (text === undefined) return [];
    return [name === 'dport' && box['proto'] === undefined ? `port ${text}` : `${before}${text}`];
  });
  const isNamed = box['proto'] !== undefined || box['dport'] !== undefined;
  return (isNamed ? parts : [what, ...parts]).join(' ');
}

/** Names alone where these are all; where any other interface is among them, those that are not. */
function interfaceText(layout: Layout, box: Box, name: string): string | undefined {
  const values = box[name];
  const field = layout.fields.find((each) => each.name === name);
  if (values?.kind !== 'words' || field?.kind !== 'words') return undefined;
  const { words } = values;
  if (!words.includes(OTHER_INTERFACE)) {
    const named = words.filter((word) => word !== NO_INTERFACE);
    return named.join(', ') || 'no interface';
  }
  // Traffic of the host with itself is a matter of its own.
  const not = field.words.filter((word) => !words.includes(word) && word !== NO_INTERFACE && word !== 'lo');
  return not.length === 0 ? undefined : `any but ${not.join(', ')}`;
}
