// Without /etc/protocols, which a small system does not have, nft knows few protocols by name and lists them by number.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Agent, startAgent } from '../../lab/agent.ts';
import { MOAT_PROGRAM, type Moat, moatOn } from '../../lab/moat.ts';
import { createNetwork, type Network } from '../../lab/network.ts';
import { emergencyRules } from '../../packages/firewall/src/apply/emergency.ts';

const WITHOUT = `if [ -e /etc/protocols ]; then mount --bind /dev/null /etc/protocols; fi; exec "$@"`;
const APART = ['--mount', '--propagation', 'private', 'sh', '-ec', WITHOUT, 'sh'];
const PROTOCOLS = ['ah', 'esp', 'gre', 'vrrp', 'igmp'];

let network: Network;
let moat: Moat;
let server: Agent;
let outside: Agent;

beforeAll(async () => {
  network = await createNetwork();
  moat = await moatOn(network.server);
  [server, outside] = await Promise.all([startAgent(network.server), startAgent(network.outside)]);
  await server.serve(22);
  await server.serve(3306);
});

afterAll(async () => {
  await Promise.all([server?.stop(), outside?.stop()]);
  await network?.destroy();
  await moat?.destroy();
});

const program = (...words: string[]) =>
  network.server.output('unshare', [...APART, process.execPath, MOAT_PROGRAM, ...words], { env: moat.env });

async function reach(port: number): Promise<string[]> {
  const { v4, v6 } = network.server.addresses;
  const dial = async (host: string) => (await outside.dial(host, port, { timeoutMs: 400 })).result;
  return Promise.all([v4, v6].map(dial));
}

test('every protocol that a sentence can name loads, and is found again in the kernel', async () => {
  await program('allow', '22');
  for (const protocol of PROTOCOLS) {
    await program('allow', 'proto', protocol, 'from', '192.0.2.9');
    await program('reject', 'proto', protocol, 'from', '198.51.100.4');
  }
  await program('enable', '--confirm', '0');
  expect(await reach(22)).toEqual(['open', 'open']);
  expect(await reach(3306)).toEqual(['timeout', 'timeout']);
  // The same rules, read where names are known, are still the same.
  expect(await moat.ok('reload', '--dry-run')).toContain('the rules in the kernel would stay as they are');
  expect(await program('reload', '--dry-run')).toContain('the rules in the kernel would stay as they are');
  await moat.ok('disable');
});

test('the emergency rules load', async () => {
  await network.server.output('unshare', [...APART, 'nft', '-f', '-'], { input: emergencyRules([2222]) });
  expect(await reach(22)).toEqual(['open', 'open']);
  expect(await reach(3306)).toEqual(['timeout', 'timeout']);
  await network.server.output('nft', ['delete', 'table', 'inet', 'moat']);
});
