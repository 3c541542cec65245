// The lab itself: its answers differ where the kernel's do, or every test built on it would mean nothing.
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type Agent, startAgent } from '../../lab/agent.ts';
import { createNetwork, type Network } from '../../lab/network.ts';

let network: Network;
let service: Agent;
let outside: Agent;
let blog: Agent;

beforeAll(async () => {
  network = await createNetwork();
  [service, outside, blog] = await Promise.all([
    startAgent(network.server, { title: 'mysqld' }),
    startAgent(network.outside),
    startAgent(network.blog),
  ]);
  await service.serve(3306, { banner: 'mysql\n' });
  await service.serve(5353, { udp: true });
});

afterEach(() => network.server.output('nft', ['flush', 'ruleset']));

afterAll(async () => {
  await Promise.all([service, outside, blog].map((agent) => agent?.stop()));
  await network?.destroy();
});

const load = (rules: string) =>
  network.server.output('nft', ['-f', '-'], {
    input: `table inet lab { chain input { type filter hook input priority 0; policy accept
${rules}
}
}
`,
  });

for (const family of ['v4', 'v6'] as const) {
  test(`${family}: open, refused, timeout and unreachable are four answers`, async () => {
    const server = network.server.addresses[family];
    await load(`
      tcp dport 1001 drop
      tcp dport 1002 reject with tcp reset
      tcp dport 1003 reject with icmpx host-unreachable`);
    const dial = async (port: number) => (await outside.dial(server, port)).result;
    expect(await Promise.all([3306, 1000, 1001, 1002, 1003].map(dial))).toEqual([
      'open',
      'refused',
      'timeout',
      'refused',
      'unreachable',
    ]);
  });

  test(`${family}: a rule of the server closes a port to one machine and not to another`, async () => {
    const server = network.server.addresses[family];
    const ip = family === 'v4' ? 'ip' : 'ip6';
    await load(`${ip} saddr ${network.outside.addresses[family]} tcp dport 3306 drop`);
    expect((await outside.dial(server, 3306, { timeoutMs: 300 })).result).toBe('timeout');
    expect(await blog.dial(server, 3306, { bytes: 6 })).toMatchObject({ result: 'open', data: 'mysql\n' });
  });

  test(`${family}: UDP is echoed, refused or lost`, async () => {
    const server = network.server.addresses[family];
    expect((await outside.probe(server, 5353)).result).toBe('open');
    expect((await outside.probe(server, 5354)).result).toBe('refused');
    await load('udp dport 5353 drop');
    expect((await outside.probe(server, 5353, { timeoutMs: 300 })).result).toBe('timeout');
  });

  test(`${family}: a kept connection knows whether it still carries data`, async () => {
    const kept = await outside.connect(network.server.addresses[family], 3306);
    expect(await kept.alive()).toBe(true);
    await load('tcp dport 3306 drop');
    expect(await kept.alive(300)).toBe(false);
    await kept.close();
  });

  test(`${family}: a prober sees a port close and open again`, async () => {
    const server = network.server.addresses[family];
    const prober = await outside.prober(
      [
        { name: 'mysql', host: server, port: 3306 },
        { name: 'none', host: server, port: 1 },
      ],
      { everyMs: 10, timeoutMs: 150 },
    );
    const pause = () => new Promise((resolve) => setTimeout(resolve, 300));
    await pause();
    await load('tcp dport 3306 drop');
    await pause();
    await network.server.output('nft', ['flush', 'ruleset']);
    await pause();
    const [mysql, none] = await prober.stop();
    expect(mysql?.transitions.map(({ result }) => result)).toEqual(['open', 'timeout', 'open']);
    expect(none?.transitions.map(({ result }) => result)).toEqual(['refused']);
    expect(none?.counts.refused).toBeGreaterThan(40);
  });
}

test('a listening process shows under the name it plays', async () => {
  const sockets = await network.server.output('ss', ['-Hltnp', 'sport = 3306']);
  expect(sockets.match(/"mysqld",pid=\d+/g)).toEqual([
    `"mysqld",pid=${service.pid}`,
    `"mysqld",pid=${service.pid}`,
  ]);
});

test('two networks can exist at the same time', async () => {
  const other = await createNetwork();
  const agent = await startAgent(other.outside);
  expect((await agent.dial(other.server.addresses.v4, 3306)).result).toBe('refused');
  expect((await outside.dial(network.server.addresses.v4, 3306)).result).toBe('open');
  await agent.stop();
  await other.destroy();
});
