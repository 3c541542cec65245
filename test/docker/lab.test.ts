// Docker in the lab, before any firewall: published ports are open to the world, and the containers' own traffic works.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Agent, startAgent } from '../../lab/agent.ts';
import { type Container, type Docker, startDocker } from '../../lab/docker.ts';
import { createNetwork, type Network } from '../../lab/network.ts';

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

test('the containers come back after the daemon was restarted', async () => {
  await docker.stopDaemon();
  expect((await outside.dial(network.server.addresses.v4, 80)).result).toBe('refused');
  await docker.startDaemon();
  await docker.docker('start', 'some-app-container');
  expect(await page(network.server.addresses.v4)).toContain(docker.page);
});
