// Docker told to leave the packet filter alone (`--iptables=false`): enable says what that breaks, and goes on.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Agent, startAgent } from '../../lab/agent.ts';
import { type Docker, startDocker } from '../../lab/docker.ts';
import { type Moat, moatOn } from '../../lab/moat.ts';
import { createNetwork, type Network } from '../../lab/network.ts';

let network: Network;
let docker: Docker;
let moat: Moat;
let outside: Agent;

beforeAll(async () => {
  network = await createNetwork();
  docker = await startDocker(network.server, { daemon: ['--iptables=false', '--ip6tables=false'] });
  moat = await moatOn(network.server, { docker: docker.host });
  outside = await startAgent(network.outside);
  await docker.run('some-app-container', { publish: ['80:80'] });
});

afterAll(async () => {
  await outside?.stop();
  await docker?.destroy();
  await network?.destroy();
  await moat?.destroy();
});

const reach = async (): Promise<string> =>
  (await outside.dial(network.server.addresses.v4, 80, { timeoutMs: 400 })).result;

test('enable names the switch, what it costs, and that moat does not need it', async () => {
  expect(await reach()).toBe('open');
  await moat.ok('allow', '22');
  const said = await moat.ok('enable', '--confirm', '0');
  expect(said).toMatch(/iptables switched off \(on dockerd's command line \(pid \d+\)\)/);
  expect(said).toMatch(/no masquerade/);
  expect(await reach()).toBe('timeout');
});

test('the port is still the one that a client dials, here through docker-proxy', async () => {
  await moat.ok('allow', '80');
  expect(await reach()).toBe('open');
  expect(await moat.ok('status')).toMatch(/80\s+ALLOW\s+Anywhere\s+container some-app-container:80/);
});
