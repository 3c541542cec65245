// moat audit against a real fail2ban: who fails to log in is banned, and is no longer among the sources.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startFail2ban } from '../../lab/fail2ban.ts';
import { type AuditedServer, auditedServer, toldOpen } from './audited-server.ts';

let server: AuditedServer;

const JAILS = [
  { port: 22, action: 'nftables' },
  { port: 80, action: 'iptables-multiport' },
  { port: 3306, action: 'iptables-ipset-proto6' },
];

beforeAll(async () => {
  server = await auditedServer();
});

afterAll(() => server?.destroy());

test('banned by nftables, by iptables and by ipset: no longer among the sources, and all others are', async () => {
  const { network, room } = server;
  const fail2ban = await startFail2ban(room, JAILS);
  const { v4, v6 } = network.outside.addresses;
  await fail2ban.provoke(v4, v6);
  const ports = JAILS.map(({ port }) => port);
  const { exposures } = await server.audit();
  const found = await server.dialled(ports);
  expect(found.sort()).toEqual(
    ['blog', 'third']
      .flatMap((name) =>
        ['ipv4', 'ipv6'].flatMap((family) => ports.map((port) => `${name} ${family} ${port}`)),
      )
      .sort(),
  );
  expect(toldOpen(network, exposures, ports).sort()).toEqual(found);
  const rules = await server.moat.ok('show', 'rules', 'fail2ban');
  for (const name of ['f2b-table', 'f2b-port-80', 'f2b-port-3306']) expect(rules).toContain(name);
});
