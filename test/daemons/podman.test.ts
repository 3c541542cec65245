// moat audit against a real Podman: published ports past a firewall that opens nothing, and containers' own addresses.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Agent, startAgent } from '../../lab/agent.ts';
import { type Podman, startPodman } from '../../lab/podman.ts';
import { type AuditedServer, auditedServer, covers, toldOpen } from './audited-server.ts';

let server: AuditedServer;
let podman: Podman;
let outside: Agent;

const PORTS = [22, 80, 3306, 8080, 8081, 8082];

beforeAll(async () => {
  server = await auditedServer();
  podman = await startPodman(server.room);
  outside = await startAgent(server.network.outside);
  await podman.podman(
    ...['network', 'create', '--ipv6', '--subnet', '172.20.0.0/24', '--subnet', 'fd00:20::/64', 'both'],
  );
  await podman.run('web', '--publish', '8080:80');
  await podman.run('dual', '--network', 'both', '--publish', '8081:80');
  await podman.run('local', '--publish', '127.0.0.1:8082:80');
  await server.room.output('nft', [
    'table inet mine { chain in { type filter hook input priority 0; policy drop; ct state established accept; icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept; tcp dport 22 accept; }; }',
  ]);
});

afterAll(async () => {
  await outside?.stop();
  await podman?.destroy();
  await server?.destroy();
});

test('published ports are open, past a table that opens 22 alone', async () => {
  const { exposures } = await server.audit();
  const found = await server.dialled(PORTS);
  expect(toldOpen(server.network, exposures, PORTS).sort()).toEqual(found.sort());
  expect(found).toContain('outside ipv4 8080');
  expect(found).toContain('outside ipv6 8081');
  expect(found.filter((line) => / (80|3306|8082)$/.test(line))).toEqual([]);
  for (const [port, name] of [
    [8080, 'web'],
    [8081, 'dual'],
  ] as const) {
    const [row] = exposures.filter((each) => each.port === port && each.family === 'ipv4');
    expect(row).toMatchObject({ reaches: { kind: 'container', name, port: 80 }, certainty: 'must' });
    expect(row?.openedBy[0]).toMatchObject({ owner: 'podman', table: 'nat' });
  }
  expect(await server.moat.ok('audit')).toMatch(/^anywhere\s+8080\/tcp\s+container web:80\s+podman/m);
});

test('the way to a container past its published port is told, and is what a dial finds', async () => {
  const { direct } = await server.audit();
  const format = '{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.GlobalIPv6Address}}{{end}}';
  const [v4 = '', v6 = ''] = (await podman.podman('inspect', '--format', format, 'dual')).trim().split(' ');
  for (const address of [v4, v6]) {
    const open = (await outside.dial(address, 80, { timeoutMs: 600 })).result === 'open';
    const told = direct.some(
      (row) =>
        covers(row, 80) && row.proto === 'tcp' && (row.to ?? []).some((to) => to.startsWith(`${address}/`)),
    );
    expect({ address, told }).toEqual({ address, told: open });
  }
});
