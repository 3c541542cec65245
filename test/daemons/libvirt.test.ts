// moat audit against a real libvirtd: its networks, and ports of the host that somebody sends on to a guest.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Agent, startAgent } from '../../lab/agent.ts';
import { type Libvirt, startLibvirt } from '../../lab/libvirt.ts';
import { eventually } from '../../lab/waiting.ts';
import { type AuditedServer, auditedServer, toldOpen } from './audited-server.ts';

let server: AuditedServer;
let libvirt: Libvirt;
let agents: readonly Agent[] = [];

const PORTS = [22, 80, 3306, 8080, 8081];
const ROUTED = `<network><name>routed</name><forward mode='route'/><bridge name='virbr1'/>
  <ip address='172.28.0.1' prefix='24'/><ip family='ipv6' address='fd00:28::1' prefix='64'/></network>`;

beforeAll(async () => {
  server = await auditedServer();
  libvirt = await startLibvirt(server.room);
  await libvirt.virsh('net-start', 'default');
  await libvirt.network(ROUTED);
  const hidden = { address: '192.168.122.10', length: 24, gateway: '192.168.122.1' };
  const v4 = { address: '172.28.0.10', length: 24, gateway: '172.28.0.1' };
  const v6 = { address: 'fd00:28::10', length: 64, gateway: 'fd00:28::1' };
  const guests = [
    await libvirt.guest('vnet0', 'virbr0', hidden),
    await libvirt.guest('vnet1', 'virbr1', v4, v6),
  ];
  agents = await Promise.all(guests.map((guest) => startAgent(guest)));
  await Promise.all(agents.map((agent) => agent.serve(8000)));
  // A port of a bridge with STP forwards after a while.
  for (const [agent, { gateway }] of [[agents[0]!, hidden] as const, [agents[1]!, v4] as const])
    expect(
      await eventually(
        20_000,
        async () => (await agent.dial(gateway, 22, { timeoutMs: 500 })).result === 'open',
      ),
    ).toBe(true);
  for (const [port, { address }] of [[8080, hidden] as const, [8081, v4] as const])
    await server.room.output('iptables', [
      ...['-t', 'nat', '-A', 'PREROUTING', '-i', 'eth0', '-p', 'tcp', '--dport', String(port)],
      ...['-j', 'DNAT', '--to-destination', `${address}:8000`],
    ]);
});

afterAll(async () => {
  await Promise.all(agents.map((agent) => agent.stop()));
  await server?.destroy();
});

async function compare() {
  const { exposures } = await server.audit();
  const found = await server.dialled(PORTS);
  expect(toldOpen(server.network, exposures, PORTS).sort()).toEqual(found.sort());
  return { exposures, found };
}

test('a forwarded port ends at libvirt’s own refusal where its network is behind NAT, and not where it is routed', async () => {
  const { exposures, found } = await compare();
  expect(found).not.toContain('outside ipv4 8080');
  expect(found).toContain('outside ipv4 8081');
  expect(found).toContain('outside ipv6 3306');
  const [row] = exposures.filter(({ port }) => port === 8081);
  expect(row).toMatchObject({ reaches: { forwardedTo: { address: '172.28.0.10', port: 8000 } } });
  expect(row?.openedBy).toContainEqual(expect.objectContaining({ owner: 'libvirt', chain: 'LIBVIRT_FWI' }));
});

test('let through before libvirt’s chains, it is open there as well', async () => {
  await server.room.output('iptables', [
    '-I',
    'FORWARD',
    '-o',
    'virbr0',
    '-d',
    '192.168.122.10',
    '-j',
    'ACCEPT',
  ]);
  const { exposures, found } = await compare();
  expect(found).toContain('outside ipv4 8080');
  const [row] = exposures.filter(({ port }) => port === 8080);
  expect(row).toMatchObject({ reaches: { forwardedTo: { address: '192.168.122.10', port: 8000 } } });
});
