// `moat explain` on the machine of the story: moat with three sentences, a container behind Docker's rules, a listener.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Agent, startAgent } from '../../lab/agent.ts';
import type { Machine } from '../../lab/machine.ts';
import { type Moat, moatOn } from '../../lab/moat.ts';
import { createNetwork, type Network } from '../../lab/network.ts';
import { publishContainer, removeContainer } from '../../lab/published-container.ts';

let network: Network;
let container: Machine;
let moat: Moat;
let server: Agent;
let outside: string;
let blog: string;

beforeAll(async () => {
  network = await createNetwork();
  container = await publishContainer(network.server, 'some-app-container', 80);
  moat = await moatOn(network.server);
  server = await startAgent(network.server, { title: 'mysqld' });
  await server.serve(3306);
  outside = network.outside.addresses.v4;
  blog = network.blog.addresses.v4;
  await moat.ok('allow', '22');
  await moat.ok('allow', 'from', blog, 'to', 'any', 'port', '3306', 'proto', 'tcp');
  await moat.ok('limit', '2222/tcp');
  await moat.ok('enable', '--confirm', '0', '--allow-lockout', '--yes');
});

afterAll(async () => {
  await server?.stop();
  await removeContainer(container);
  await network?.destroy();
  await moat?.destroy();
});

const lines = async (...words: string[]): Promise<string[]> =>
  (await moat.ok('explain', ...words)).split('\n');

describe('print', () => {
  test('print', async () => {
    for (const words of [
      ['tcp', outside, '3306'],
      ['tcp', blog, 'mysql'],
      ['tcp', outside, '80'],
      ['tcp', outside, '22'],
      ['tcp', outside, '2222'],
      ['tcp', network.outside.addresses.v6, '3306'],
      ['icmp', outside],
      ['out', 'tcp', outside, '443'],
      ['tcp', 'any', '3306'],
      ['tcp', outside, '80', '--to', container.addresses.v4],
      ['tcp', '127.0.0.1', '3306'],
      ['tcp', outside, '22', '--state', 'established'],
      ['tcp', outside, '22', '--state', 'invalid'],
    ]) {
      console.log(`$ moat explain ${words.join(' ')}\n${(await lines(...words)).join('\n')}`);
    }
    await moat.ok('allow', '80');
    console.log((await lines('tcp', outside, '80')).join('\n'));
    console.log((await lines('tcp', outside, '80', '--json')).join('\n'));
  });
});
