import { expect, test } from 'vitest';
import { type Transaction, transactionReader } from './nft-events.ts';

/** As `nft monitor` of nft 1.0.6 prints them. */
const FLUSH = `delete rule inet moat a handle 5
delete set inet moat __map0
delete set inet moat banned_v4
delete chain inet moat a
delete table inet moat
# new generation 3 by process 10938 (nft)`;
const BAN = `add element inet moat banned_v4 { 10.0.0.1 timeout 1h expires 1h }
# new generation 4 by process 9359 (my prog (x))`;
const OTHERS = `add table ip filter
add chain ip filter INPUT { type filter hook input priority filter; policy accept; }
add rule ip filter INPUT tcp dport 99 counter packets 0 bytes 0 accept
# new generation 8 by process 9366 (iptables)`;

function transactions(text: string, end = false): Transaction[] {
  const told: Transaction[] = [];
  const reader = transactionReader({
    table: { family: 'inet', name: 'moat' },
    isFilled: (set) => set === 'banned_v4',
    onTransaction: (each) => told.push(each),
  });
  for (const line of text.split('\n')) reader.line(line);
  if (end) reader.end();
  return told;
}

test('each transaction, whose it was and whom it concerns', () => {
  expect(transactions([FLUSH, BAN, OTHERS].join('\n'))).toEqual([
    { by: { name: 'nft', pid: 10938 }, rules: true, ours: true, elements: false },
    { by: { name: 'my prog (x)', pid: 9359 }, rules: false, ours: false, elements: true },
    { by: { name: 'iptables', pid: 9366 }, rules: true, ours: false, elements: false },
  ]);
});

test('elements of a set that is not for programs are rules, as is a set of that name elsewhere', () => {
  expect(transactions('add element inet moat group_blog { 10.0.0.1 }\n# new generation 1')).toEqual([
    { by: undefined, rules: true, ours: true, elements: false },
  ]);
  expect(transactions('add element inet other banned_v4 { 10.0.0.1 }\n# new generation 1')).toEqual([
    { by: undefined, rules: true, ours: false, elements: false },
  ]);
});

test('without its last line a transaction is told when it is ended; traces are none', () => {
  expect(transactions('delete table inet moat')).toEqual([]);
  expect(transactions('delete table inet moat', true)).toEqual([
    { by: undefined, rules: true, ours: true, elements: false },
  ]);
  expect(transactions('trace id 99 inet moat a packet: iif "lo"\n# new generation 2', true)).toEqual([]);
});
