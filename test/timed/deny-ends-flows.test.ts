// A deny ends what runs: to the host and through a published port, over both families; on ufw it goes on.
import { dirname } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Agent, areAlive, type Connection, startAgent } from '../../lab/agent.ts';
import { logIn, startLoginServer } from '../../lab/login.ts';
import type { Machine } from '../../lab/machine.ts';
import { MOAT_PROGRAM, type Moat, moatOn } from '../../lab/moat.ts';
import { createNetwork, type Network } from '../../lab/network.ts';
import { isRealRoot } from '../../lab/privilege.ts';
import { publishContainer, removeContainer } from '../../lab/published-container.ts';
import { startUfw } from '../../lab/ufw.ts';
import { eventually, pause } from '../../lab/waiting.ts';
import { endWayBacks } from '../kernel/way-backs.ts';

let network: Network;
let moat: Moat;
let container: Machine;
let agents: { readonly server: Agent; readonly inside: Agent; readonly third: Agent; readonly blog: Agent };

beforeEach(async () => {
  network = await createNetwork();
  moat = await moatOn(network.server);
  container = await publishContainer(network.server, 'some-app-container', 81);
  const [server, inside, third, blog] = await Promise.all([
    startAgent(network.server),
    startAgent(container),
    startAgent(network.third),
    startAgent(network.blog),
  ]);
  agents = { server, inside, third, blog };
  await server.serve(80);
  await inside.serve(81);
});

afterEach(async () => {
  endWayBacks(moat.root);
  await Promise.all(Object.values(agents).map((agent) => agent.stop()));
  await removeContainer(container);
  await network.destroy();
  await moat.destroy();
});

async function fourFlows(from: Agent): Promise<Connection[]> {
  const { v4, v6 } = network.server.addresses;
  return Promise.all([
    from.connect(v4, 80),
    from.connect(v6, 80),
    from.connect(v4, 81),
    from.connect(v6, 81),
  ]);
}

test('a deny ends what it refuses, host and container, v4 and v6, and nothing else', async () => {
  await moat.ok('allow', '80/tcp');
  await moat.ok('allow', '81/tcp');
  await moat.ok('enable', '--confirm', '0');
  const flows = await fourFlows(agents.third);
  const others = await fourFlows(agents.blog);
  const outgoing = await (async () => {
    await agents.third.serve(8080);
    return Promise.all(
      [agents.server, agents.inside].map((agent) => agent.connect(network.third.addresses.v4, 8080)),
    );
  })();
  expect(await areAlive([...flows, ...outgoing])).toEqual([true, true, true, true, true, true]);
  await moat.ok('group', 'bad', '192.0.2.9', '2001:db8:9::9');
  const deny = ['prepend', 'deny', 'from', 'bad', '--confirm', '0'];
  expect(await moat.ok('--dry-run', ...deny)).toContain(
    'this would end what runs: 192.0.2.9 → 203.0.113.130 80/tcp',
  );
  expect(await areAlive(flows)).toEqual([true, true, true, true]);
  const said = await moat.ok(...deny);
  const begun = performance.now();
  expect(said).toContain('ended what the new rules refuse: 192.0.2.9 → 203.0.113.130 80/tcp');
  expect(said).not.toContain('203.0.113.7');
  expect(await areAlive(flows, 700)).toEqual([false, false, false, false]);
  console.log(
    `moat: 4 flows ended, seen ${((performance.now() - begun) / 1000).toFixed(1)} s after the deny`,
  );
  expect(performance.now() - begun).toBeLessThan(1500);
  expect(await areAlive([...others, ...outgoing])).toEqual([true, true, true, true, true, true]);
  // The host's own socket is gone with it; conntrack knows nothing of them any more.
  expect(await network.server.output('ss', ['-Htn', 'dst', '192.0.2.9', 'and', 'sport', '=', ':80'])).toBe(
    '',
  );
  expect(await network.server.output('conntrack', ['-L', '-p', 'tcp', '-s', '192.0.2.9'])).not.toContain(
    'dport=8',
  );
  // What is opened again is open for the same ports as before, too.
  await moat.ok('delete', 'deny', 'from', 'bad');
  expect(await network.server.output('nft', ['list', 'set', 'inet', 'moat', 'cut_v4'])).not.toContain(
    'elements',
  );
  expect((await agents.third.dial(network.server.addresses.v4, 81)).result).toBe('open');
});

test('nobody takes an ended flow up again, though the container goes on sending', async () => {
  await moat.ok('allow', '81/tcp');
  await moat.ok('enable', '--confirm', '0');
  const [flow] = await Promise.all([agents.third.connect(network.server.addresses.v4, 81)]);
  await moat.ok('delete', 'allow', '81/tcp', '--confirm', '0');
  for (let i = 0; i < 3; i++) {
    expect(await flow!.alive(600)).toBe(false);
    await pause(300);
  }
});

test('--keep-flows leaves them; a change that goes back lets the next ones in', async () => {
  await moat.ok('allow', '80/tcp');
  await moat.ok('enable', '--confirm', '0');
  const flow = await agents.third.connect(network.server.addresses.v4, 80);
  expect(await moat.ok('delete', 'allow', '80/tcp', '--keep-flows', '--confirm', '1')).not.toContain('ended');
  expect(await flow.alive(5000)).toBe(true);
  const open = async () =>
    (await agents.third.dial(network.server.addresses.v4, 80, { timeoutMs: 500 })).result === 'open';
  expect(await eventually(30_000, open)).toBe(true);
  await moat.ok('delete', 'allow', '80/tcp', '--confirm', '1');
  expect(await flow.alive(700)).toBe(false);
  expect(await eventually(30_000, open)).toBe(true);
});

test('the admin’s own connection is not ended, whatever the rule says', async () => {
  const env = { ...moat.env, PATH: `${dirname(MOAT_PROGRAM)}:${process.env['PATH']}` };
  const logins = await startLoginServer(network.server, env);
  const admin = await logIn(network.outside, network.server);
  try {
    await moat.ok('allow', '80/tcp');
    await moat.ok('allow', '22/tcp');
    await moat.ok('enable', '--confirm', '0');
    const denied = await admin.run('moat delete allow 22/tcp --allow-lockout --confirm 0');
    expect(denied.code).toBe(0);
    expect((await admin.run('echo still here')).output).toContain('still here');
  } finally {
    admin.close();
    logins.stop();
  }
});

test.runIf(isRealRoot())('the same on ufw: what runs goes on after the deny', async () => {
  const ufw = await startUfw(network.server);
  try {
    for (const words of ['allow 80/tcp', '--force enable']) await ufw.ufw(words.split(' '));
    const flow = await agents.third.connect(network.server.addresses.v4, 80);
    expect(await flow.alive(5000)).toBe(true);
    const denied = await ufw.ufw('insert 1 deny from 192.0.2.9'.split(' '));
    expect(denied.code).toBe(0);
    expect((await agents.third.dial(network.server.addresses.v4, 80, { timeoutMs: 500 })).result).toBe(
      'timeout',
    );
    await pause(1500);
    const still = await flow.alive(5000);
    console.log(`ufw: after the deny new connections time out, the old one is ${still ? 'alive' : 'dead'}`);
    expect(still).toBe(true);
  } finally {
    await ufw.destroy();
  }
});
