import { expect, test } from 'vitest';
import { interfacesIn } from './nft-text.ts';

test('interfaces that a text asks for by index', () => {
  const text = `
    iif "eth0" accept
    iif lo accept; oif != { wg0, "br-lan", eth1.100 } drop
    define WAN = wan1
    iif vmap { ppp0 : drop }
    iifname "dummy0" accept
    flowtable f { hook ingress priority 0; devices = { lan0, lan1 }; }
    type filter hook ingress device "wan0" priority 0;
    oif 7 accept
    iif "-j" accept
    iif averyveryverylongname accept`;
  expect(interfacesIn(text)).toEqual([
    'eth0',
    'wg0',
    'br-lan',
    'eth1.100',
    'wan1',
    'ppp0',
    'drop',
    'lan0',
    'lan1',
    'wan0',
  ]);
});
