// The hole that ufw does not show: moat audit on a machine with ufw and Docker, each row against dials from outside.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Agent, startAgent } from '../../lab/agent.ts';
import { type Docker, startDocker } from '../../lab/docker.ts';
import { type Moat, moatOn } from '../../lab/moat.ts';
import { createNetwork, type Network } from '../../lab/network.ts';
import { startUfw, type Ufw } from '../../lab/ufw.ts';

let network: Network;
let docker: Docker;
let moat: Moat;
let outside: Agent;
let server: Agent;
let ufw: Ufw;

interface Row {
  readonly family: 'ipv4' | 'ipv6';
  readonly proto: string;
  readonly port: number | string;
  readonly sources: readonly string[];
  readonly to?: readonly string[];
  readonly reaches: { readonly kind: string; readonly name: string | null; readonly by?: string };
  readonly openedBy: readonly { readonly owner: string; readonly table: string; readonly chain: string }[];
  readonly certainty: string;
}

interface Told {
  readonly exposures: readonly Row[];
  readonly direct: readonly Row[];
  readonly closed: readonly { readonly port: number; readonly why: string }[];
}

beforeAll(async () => {
  network = await createNetwork();
  docker = await startDocker(network.server);
  moat = await moatOn(network.server, { docker: docker.host });
  [outside, server] = await Promise.all([
    startAgent(network.outside),
    startAgent(network.server, { title: 'mysqld' }),
  ]);
  await server.serve(22, { banner: 'SSH-2.0-lab\r\n' });
  await server.serve(3306);
  await docker.run('some-app-container', { publish: ['80:80'] });
  await docker.run('second', { publish: ['8080:80'] });
  ufw = await startUfw(network.server);
  await ufw.ufw(['allow', '22']);
  await ufw.ufw(['--force', 'enable']);
});

afterAll(async () => {
  await ufw?.destroy();
  await Promise.all([outside, server].map((agent) => agent?.stop()));
  await docker?.destroy();
  await network?.destroy();
  await moat?.destroy();
});

async function audited(): Promise<Told> {
  return JSON.parse(await moat.ok('audit', '--json')) as Told;
}

async function dial(family: 'ipv4' | 'ipv6', port: number, address?: string): Promise<string> {
  const { v4, v6 } = network.server.addresses;
  const host = address ?? (family === 'ipv4' ? v4 : v6);
  return (await outside.dial(host, port, { timeoutMs: 400 })).result;
}

test('80/tcp is open to anywhere, though ufw lets only 22 in', async () => {
  expect((await ufw.ufw(['status'])).stdout).not.toMatch(/\b80\b/);
  const text = await moat.ok('audit');
  expect(text).toMatch(
    /^anywhere\s+80\/tcp\s+container some-app-container:80\s+docker \(iptables nat\/DOCKER rule \d+\)/m,
  );
  expect(text).toMatch(/^anywhere\s+22\/tcp\s+mysqld\s+ufw \(iptables filter\/ufw-user-input rule 1\)$/m);
  expect(text).toMatch(/^Closed to all:.*3306\/tcp mysqld/m);
});

test('each row is what dials from outside find, in both families, and nothing else is open', async () => {
  const { exposures, closed } = await audited();
  const answered = exposures.filter(({ proto, reaches }) => proto === 'tcp' && reaches.kind !== 'none');
  expect(answered.length).toBeGreaterThan(3);
  for (const family of ['ipv4', 'ipv6'] as const) {
    const told = answered.filter((row) => row.family === family).map(({ port }) => port);
    const ports = [22, 80, 3306, 8080];
    const open: number[] = [];
    for (const port of ports) if ((await dial(family, port)) === 'open') open.push(port);
    expect([...new Set(told)].sort()).toEqual(open.sort());
  }
  expect(closed.map(({ port }) => port)).toContain(3306);
  const second = exposures.find(({ port }) => port === 8080);
  expect(second?.reaches).toMatchObject({ kind: 'container', name: 'second', port: 80 });
  expect(second?.openedBy[0]).toMatchObject({ owner: 'docker', table: 'nat', chain: 'DOCKER' });
});

test('the way to a container past the published port is told, and is what a dial finds', async () => {
  const { direct } = await audited();
  for (const name of ['some-app-container', 'second']) {
    const { v4, v6 } = await docker.addresses(name);
    for (const [family, address] of [
      ['ipv4', v4],
      ['ipv6', v6],
    ] as const) {
      const open = (await dial(family, 80, address)) === 'open';
      const told = direct.some(
        (row) =>
          row.family === family &&
          row.proto === 'tcp' &&
          (row.to ?? []).some((prefix) => prefix.startsWith(`${address}/`)) &&
          inRange(row.port, 80),
      );
      expect({ name, family, told }).toEqual({ name, family, told: open });
    }
  }
});

function inRange(port: number | string, wanted: number): boolean {
  const [first = 0, last = first] = String(port).split('-').map(Number);
  return first <= wanted && wanted <= last;
}
