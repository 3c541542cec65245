// The story with a real Docker engine: closed by default, containers too, and Docker's own rules stay as they are.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Agent, startAgent } from '../../lab/agent.ts';
import { type Container, type Docker, startDocker } from '../../lab/docker.ts';
import { type Moat, moatOn } from '../../lab/moat.ts';
import { createNetwork, type Network } from '../../lab/network.ts';

let network: Network;
let docker: Docker;
let moat: Moat;
let outside: Agent;
let blog: Agent;
let third: Agent;
let server: Agent;
let app: Container;

const FAMILIES = ['v4', 'v6'] as const;
const QUICK = { timeoutMs: 400 };

beforeAll(async () => {
  network = await createNetwork();
  docker = await startDocker(network.server);
  moat = await moatOn(network.server, { docker: docker.host });
  [outside, blog, third, server] = await Promise.all([
    startAgent(network.outside),
    startAgent(network.blog),
    startAgent(network.third),
    startAgent(network.server, { title: 'mysqld' }),
  ]);
  await server.serve(22, { banner: 'SSH-2.0-lab\r\n' });
  await server.serve(3306);
  await third.serve(8080, { banner: 'HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nthird' });
  app = await docker.run('some-app-container', { publish: ['80:80'] });
  await docker.run('neighbour');
});

afterAll(async () => {
  await Promise.all([outside, blog, third, server].map((agent) => agent?.stop()));
  await docker?.destroy();
  await network?.destroy();
  await moat?.destroy();
});

/** What a client gets from each port, in both families. */
async function reach(port: number, from: Agent = outside): Promise<string[]> {
  const dial = async (family: 'v4' | 'v6') =>
    (await from.dial(network.server.addresses[family], port, QUICK)).result;
  return Promise.all(FAMILIES.map(dial));
}

async function page(family: 'v4' | 'v6'): Promise<string> {
  const answer = await outside.dial(network.server.addresses[family], 80, {
    send: 'GET / HTTP/1.0\r\n\r\n',
    bytes: 4000,
    timeoutMs: 1500,
  });
  return answer.data ?? '';
}

/** Everybody else's rules, as their own tools print them; counters and dates left out. */
async function othersRules(): Promise<string> {
  const save = async (command: string) =>
    (await network.server.output(command)).replaceAll(/^#.*\n|\[\d+:\d+\]/gm, '');
  return (await Promise.all([save('iptables-save'), save('ip6tables-save')])).join('\n');
}

/** Container egress, container to container, loopback, and a published port from the host itself. */
async function containersWork(): Promise<void> {
  for (const family of FAMILIES) {
    expect(await docker.fetch('neighbour', network.third.addresses[family], 8080)).toContain('third');
    const addresses = await docker.addresses('some-app-container');
    expect(await docker.fetch('neighbour', addresses[family], 80)).toContain(docker.page);
    expect((await server.dial(network.server.addresses[family], 80, QUICK)).result).toBe('open');
  }
  expect((await server.dial('127.0.0.1', 3306, QUICK)).result).toBe('open');
  expect((await server.dial('::1', 3306, QUICK)).result).toBe('open');
  expect((await server.dial('127.0.0.1', 80, QUICK)).result).toBe('open');
}

const OPEN = ['open', 'open'];
const CLOSED = ['timeout', 'timeout'];
let before: string;

test('before enable, the world reaches the page and the database', async () => {
  for (const family of FAMILIES) expect(await page(family)).toContain(docker.page);
  expect(await reach(3306)).toEqual(OPEN);
  await containersWork();
  before = await othersRules();
  expect(before).toContain('DOCKER');
  const status = await moat.ok('status');
  expect(status).toMatch(
    /anywhere\s+80\/tcp\s+container some-app-container:80\s+docker \(iptables nat\/DOCKER rule \d+\)$/m,
  );
  expect(status).toMatch(/anywhere\s+3306\/tcp\s+mysqld\s+no firewall$/m);
});

test('allow 22 and enable: 22 answers, 80 and 3306 time out, in both families', async () => {
  await moat.ok('allow', '22');
  const plan = await moat.ok('enable', '--confirm', '0');
  expect(plan).toMatch(/closes\s+80\/tcp\s+\(container some-app-container:80\)\s+to anywhere\s+v4 v6/);
  expect(await reach(22)).toEqual(OPEN);
  expect(await reach(80)).toEqual(CLOSED);
  expect(await reach(3306)).toEqual(CLOSED);
});

test("a client that routes straight to the container's address gets nothing", async () => {
  for (const family of FAMILIES) {
    expect((await outside.dial(app.addresses[family], 80, QUICK)).result).toBe('timeout');
  }
});

test("the containers' own traffic works, and nobody else's rules have changed", async () => {
  await containersWork();
  expect(await othersRules()).toBe(before);
});

test('allow 80 brings the page back; delete allow 80 takes it away', async () => {
  await moat.ok('allow', '80');
  for (const family of FAMILIES) expect(await page(family)).toContain(docker.page);
  const status = await moat.ok('status');
  expect(status).toMatch(/80\s+ALLOW\s+Anywhere\s+container some-app-container:80/);
  expect(status).not.toMatch(/Open past moat/);
  // Both had a say: moat let the port in, Docker sends it on.
  expect(await moat.ok('audit')).toMatch(
    /^anywhere\s+80\/tcp\s+container some-app-container:80\s+docker \(iptables nat\/DOCKER rule \d+\), moat \(nft inet moat\/\S+ rule \d+\)$/m,
  );
  await moat.ok('delete', 'allow', '80', '--confirm', '0');
  expect(await reach(80)).toEqual(CLOSED);
  await containersWork();
});

test("a published port's number is the one dialled, not the container's", async () => {
  await docker.run('elsewhere', { publish: ['8080:80'] });
  await moat.ok('allow', '80/tcp');
  expect(await reach(8080)).toEqual(CLOSED);
  await moat.ok('allow', '8080/tcp');
  expect(await reach(8080)).toEqual(OPEN);
  await moat.ok('delete', '2', '3', '--confirm', '0');
  await docker.docker('rm', '-f', 'elsewhere');
});

test('P15: a deny on a published port has effect', async () => {
  await moat.ok('allow', '80/tcp');
  await moat.ok('prepend', 'deny', 'from', network.third.addresses.v4, '--confirm', '0');
  expect(await reach(80, outside)).toEqual(OPEN);
  expect(await reach(80, third)).toEqual(['timeout', 'open']);
  await moat.ok('deny', '80/tcp', '--confirm', '0');
  expect(await reach(80, outside)).toEqual(CLOSED);
  await moat.ok('delete', 'deny', '80/tcp', '--confirm', '0');
  await moat.ok('delete', '1', '--confirm', '0');
});

test('the database is open to the blog and to nobody else', async () => {
  const address = network.blog.addresses.v4;
  await moat.ok('allow', 'from', address, 'to', 'any', 'port', '3306', 'proto', 'tcp');
  expect((await blog.dial(network.server.addresses.v4, 3306, QUICK)).result).toBe('open');
  expect((await blog.dial(network.server.addresses.v6, 3306, QUICK)).result).toBe('timeout');
  expect(await reach(3306, third)).toEqual(CLOSED);
  expect(await reach(3306, outside)).toEqual(CLOSED);
});

test('a group covers both families', async () => {
  const { v4, v6 } = network.blog.addresses;
  await moat.ok('group', 'blog', v4, v6);
  await moat.ok('allow', 'from', 'blog', 'to', 'any', 'port', 'mysql');
  expect(await reach(3306, blog)).toEqual(OPEN);
  expect(await reach(3306, third)).toEqual(CLOSED);
});

test('disable leaves no trace in the rules of others, byte for byte, and enable again neither', async () => {
  await moat.ok('disable');
  expect(await othersRules()).toBe(before);
  expect(await reach(3306)).toEqual(OPEN);
  await moat.ok('enable', '--confirm', '0');
  expect(await othersRules()).toBe(before);
  expect(await reach(3306)).toEqual(CLOSED);
});

test('a container may not reach the host unless a sentence says so', async () => {
  const gateway = '172.17.0.1';
  const dial = () => docker.exec('neighbour', 'nc', '-w', '1', gateway, '3306', '-e', 'true');
  expect((await dial()).code).not.toBe(0);
  await moat.ok('allow', 'from', '172.16.0.0/12', 'to', 'any', 'port', '3306', 'proto', 'tcp');
  expect((await dial()).code).toBe(0);
  await moat.ok(
    'delete',
    'allow',
    'from',
    '172.16.0.0/12',
    'to',
    'any',
    'port',
    '3306',
    'proto',
    'tcp',
    '--confirm',
    '0',
  );
});

test('a network made after the rules were loaded works at once, and stays closed', async () => {
  await docker.docker('network', 'create', 'later');
  await docker.run('newcomer', { network: 'later', publish: ['9090:80'] });
  expect(await docker.fetch('newcomer', network.third.addresses.v4, 8080)).toContain('third');
  expect(await reach(9090)).toEqual(CLOSED);
  await moat.ok('allow', '9090/tcp');
  expect(await reach(9090)).toEqual(OPEN);
  await moat.ok('delete', 'allow', '9090/tcp', '--confirm', '0');
  await docker.docker('rm', '-f', 'newcomer');
  await docker.docker('network', 'rm', 'later');
});

test('restarting the container or the engine changes nothing', async () => {
  await docker.docker('restart', '-t', '0', 'some-app-container');
  expect(await reach(80)).toEqual(CLOSED);
  await docker.stopDaemon();
  await docker.startDaemon();
  await docker.docker('start', 'some-app-container', 'neighbour');
  expect(await reach(80)).toEqual(CLOSED);
  expect(await reach(22)).toEqual(OPEN);
  await containersWork();
  await moat.ok('allow', '80');
  for (const family of FAMILIES) expect(await page(family)).toContain(docker.page);
});

test('a DNAT of traffic that was not for this host does not ride in', async () => {
  const elsewhere = '192.0.2.200';
  await network.internet.output('ip', [
    'route',
    'add',
    `${elsewhere}/32`,
    'via',
    network.server.addresses.v4,
  ]);
  const { v4 } = await docker.addresses('some-app-container');
  await network.server.output('iptables', [
    ...['-t', 'nat', '-A', 'PREROUTING', '-d', elsewhere, '-p', 'tcp', '--dport', '81'],
    ...['-j', 'DNAT', '--to-destination', `${v4}:80`],
  ]);
  await network.server.output('iptables', [
    ...['-t', 'nat', '-A', 'PREROUTING', '-d', elsewhere, '-p', 'tcp', '--dport', '82'],
    ...['-j', 'REDIRECT', '--to-ports', '22'],
  ]);
  expect((await outside.dial(elsewhere, 81, QUICK)).result).toBe('timeout');
  expect((await outside.dial(elsewhere, 82, QUICK)).result).toBe('timeout');
  await moat.ok('default', 'allow', 'routed');
  // The traps were live: only moat's default stood in their way.
  expect((await outside.dial(elsewhere, 82, QUICK)).result).toBe('open');
  await moat.ok('default', 'deny', 'routed', '--confirm', '0');
  await network.server.output('sh', [
    '-c',
    `iptables-save -t nat | grep -v '${elsewhere}' | iptables-restore -T nat`,
  ]);
});

test('after disable everything is as it was before', async () => {
  await moat.ok('disable');
  const now = await othersRules();
  const normal = (rules: string): string => rules.split('\n').sort().join('\n');
  // The engine was restarted, which writes its rules in another order.
  expect(normal(now).replaceAll(/172\.17\.0\.\d+/g, 'x')).toBe(
    normal(before).replaceAll(/172\.17\.0\.\d+/g, 'x'),
  );
  expect(await reach(3306)).toEqual(OPEN);
});
