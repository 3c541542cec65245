// `moat show rules` against rules of others in a real kernel, written with iptables and with nft.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Moat, moatOn } from '../../lab/moat.ts';
import { createNetwork, type Network } from '../../lab/network.ts';

let network: Network;
let moat: Moat;

/** As Docker writes them for one published port. */
const DOCKER = `
*filter
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
-A DOCKER-USER -j RETURN
COMMIT
*nat
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 172.17.0.2:80
COMMIT
`;

const MINE = `
table inet mine {
  set blocked { type ipv4_addr; elements = { 192.0.2.9, 192.0.2.10 }; }
  chain in { type filter hook input priority -10; policy accept; ip saddr @blocked counter drop; iifname "lo" counter accept; }
}
`;

beforeAll(async () => {
  network = await createNetwork();
  moat = await moatOn(network.server);
  await network.server.output('iptables-nft-restore', [], { input: DOCKER });
  await network.server.output('nft', ['-f', '-'], { input: MINE });
});

afterAll(async () => {
  await network?.destroy();
  await moat?.destroy();
});

test("everybody's rules are told, with moat's own", async () => {
  await moat.ok('allow', '22');
  await moat.ok('enable', '--confirm', '0');
  const text = await moat.ok('show', 'rules');
  expect(text).toContain('IPv4 from an address in set blocked (2 entries) → drop');
  expect(text).toMatch(/ docker +to an address of this host → go on in chain DOCKER\n/);
  expect(text).toMatch(
    / docker +tcp to port 80 but not arriving on docker0 → send to 172\.17\.0\.2 port 80 \(DNAT\)\n/,
  );
  expect(text).toMatch(/table inet moat, chain \w+, of moat, policy/);
  // In the order in which a packet from outside meets them.
  const hooks = text.split('\n').flatMap((line) => /^(prerouting|input|forward) −?\d+/.exec(line)?.[1] ?? []);
  expect([...new Set(hooks)]).toEqual(['prerouting', 'input', 'forward']);
  expect(text).not.toContain('UNKNOWN');
});

test('packets are counted', async () => {
  await network.server.output('ip', ['link', 'set', 'lo', 'up']);
  const counted = async (): Promise<number> => {
    const { chains } = JSON.parse(await moat.ok('show', 'rules', 'nftables', '--json'));
    return chains[0].rules[1].packets;
  };
  const before = await counted();
  // A datagram to ourselves: any port will do.
  const sender =
    "const s = require('dgram').createSocket('udp4'); s.send('x', 9, '127.0.0.1', () => s.close())";
  await network.server.output(process.execPath, ['-e', sender]);
  expect(await counted()).toBeGreaterThan(before);
});

test("one owner's rules, and the way to them", async () => {
  const { chains, owners } = JSON.parse(await moat.ok('show', 'rules', 'docker', '--json'));
  expect(owners).toEqual(expect.arrayContaining(['docker', 'moat', 'nftables (by hand)']));
  const names = chains.map((chain: { table: string; chain: string }) => `${chain.table} ${chain.chain}`);
  expect(names).toEqual([
    'nat PREROUTING',
    'nat DOCKER',
    'filter FORWARD',
    'filter DOCKER-USER',
    'filter DOCKER',
  ]);
  expect(chains[1].rules[0]).toMatchObject({
    words: 'tcp to port 80 but not arriving on docker0 → send to 172.17.0.2 port 80 (DNAT)',
    owner: { name: 'docker', certainty: 'certain', sign: 'chain DOCKER' },
    packets: 0,
  });
});

test('an owner who has no rules is refused, and those who have some are named', async () => {
  const { code, stderr } = await moat.run('show', 'rules', 'dokcer');
  expect(code).toBe(2);
  expect(stderr).toContain('docker, moat, nftables (by hand)');
  expect(stderr).toContain('did you mean `moat show rules docker`?');
});
