// Docker in the lab, before any firewall: published ports are open to the world, and the containers' own traffic works.
import { hostOf, readSnapshot, snapshotRuleset, unknownParts } from '@moat/netfilter';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Agent, startAgent } from '../../lab/agent.ts';
import { type Container, type Docker, startDocker } from '../../lab/docker.ts';
import { moatOn } from '../../lab/moat.ts';
import { createNetwork, type Network } from '../../lab/network.ts';
import { snapshotListeners } from '../../packages/firewall/src/kernel/snapshot-listeners.ts';

let network: Network;
let docker: Docker;
let outside: Agent;
let web: Agent;
let app: Container;

beforeAll(async () => {
  network = await createNetwork();
  [docker, outside, web] = await Promise.all([
    startDocker(network.server),
    startAgent(network.outside),
    startAgent(network.third),
  ]);
  await web.serve(8080, { banner: 'HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nthird' });
  app = await docker.run('some-app-container', { publish: ['80:80'] });
  await docker.run('neighbour');
});

afterAll(async () => {
  await Promise.all([outside, web].map((agent) => agent?.stop()));
  await docker?.destroy();
  await network?.destroy();
});

const page = async (host: string) =>
  (await outside.dial(host, 80, { send: 'GET / HTTP/1.0\r\n\r\n', bytes: 4000 })).data ?? '';

for (const family of ['v4', 'v6'] as const) {
  test(`${family}: a published port gives the page to the outside`, async () => {
    expect(await page(network.server.addresses[family])).toContain(docker.page);
  });

  test(`${family}: the outside finds the way to the container's own address`, async () => {
    expect((await outside.dial(app.addresses[family], 80)).result).toBe('open');
  });

  test(`${family}: a container reaches the internet`, async () => {
    expect(await docker.fetch('neighbour', network.third.addresses[family], 8080)).toContain('third');
  });

  test(`${family}: a container reaches another one`, async () => {
    expect(await docker.fetch('neighbour', app.addresses[family], 80)).toContain(docker.page);
    expect(await docker.fetch('neighbour', app.addresses[family], 81)).toBeUndefined();
  });
}

test('a snapshot has the engine, its containers, and its rules without an unknown part', async () => {
  const moat = await moatOn(network.server, { docker: docker.host });
  const { snapshot, problems } = readSnapshot(JSON.parse(await moat.ok('snapshot')));
  await moat.destroy();
  expect(problems).toEqual([]);
  const container = snapshot!.containers!.find(({ names }) => names.includes('some-app-container'));
  expect(container?.engine).toBe('docker');
  expect(container?.ports).toContainEqual({
    protocol: 'tcp',
    address: '0.0.0.0',
    port: 80,
    containerPort: 80,
  });
  const bridges = snapshot!.networks!.map(({ bridge }) => bridge);
  expect(hostOf(snapshot!).links.map(({ name }) => name)).toEqual(expect.arrayContaining(bridges));
  const { ruleset, problems: unclear } = snapshotRuleset(snapshot!);
  expect(unclear).toEqual([]);
  const nat = ruleset.tables.find(({ family, name }) => family === 'ip' && name === 'nat')!;
  const rules = nat.chains.flatMap((chain) => chain.rules);
  expect(rules.length).toBeGreaterThan(3);
  expect(rules.filter((rule) => unknownParts(rule).length > 0)).toEqual([]);
  const web = snapshotListeners(snapshot!).listeners.filter(({ port }) => port === 80);
  expect(web.map(({ what }) => what)).toContainEqual({
    kind: 'container',
    name: 'some-app-container',
    containerPort: 80,
  });
});

test('the containers come back after the daemon was restarted', async () => {
  await docker.stopDaemon();
  expect((await outside.dial(network.server.addresses.v4, 80)).result).toBe('refused');
  await docker.startDaemon();
  await docker.docker('start', 'some-app-container');
  expect(await page(network.server.addresses.v4)).toContain(docker.page);
});
