import { formatAddress, parseAddress } from '@moat/netfilter';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { assertPrivateNetwork } from '../../lab/guard.ts';
import { linksWith, readLinks } from '../../packages/firewall/src/kernel/links.ts';
import { run } from '../../packages/firewall/src/kernel/process.ts';

assertPrivateNetwork();

const ip = async (line: string) => {
  expect(await run('ip', line.split(' '))).toMatchObject({ code: 0, stderr: '' });
};

beforeAll(async () => {
  await ip('link add moat-bridge type bridge');
  await ip('link add moat-one type veth peer name moat-two');
  await ip('link set moat-one master moat-bridge');
  await ip('link set moat-bridge up');
  await ip('addr add 192.0.2.1/24 dev moat-bridge');
  await ip('addr add 2001:db8::1/64 dev moat-bridge nodad');
});
afterAll(async () => {
  await ip('link del moat-bridge');
  await ip('link del moat-one');
});

test('bridges, their ports, and addresses of both families', async () => {
  const links = await readLinks();
  const bridge = links.find((link) => link.name === 'moat-bridge');
  expect(bridge).toMatchObject({ kind: 'bridge', up: true, loopback: false, master: undefined });
  const global = bridge?.addresses.filter(({ scope }) => scope === 'global');
  expect(global?.map(({ address, length }) => `${formatAddress(address)}/${length}`)).toEqual([
    '192.0.2.1/24',
    '2001:db8::1/64',
  ]);
  expect(links.find((link) => link.name === 'moat-one')).toMatchObject({
    kind: 'veth',
    up: false,
    master: 'moat-bridge',
    addresses: [],
  });
  expect(links.find((link) => link.loopback)?.name).toBe('lo');
  expect(linksWith(parseAddress('2001:db8::1')!, links)).toEqual(['moat-bridge']);
});
