// `moat explain` on the machine of the story: moat with three sentences, a container behind Docker's rules, a listener.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
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

const explained = async (...words: string[]): Promise<Told> =>
  JSON.parse(await moat.ok('explain', '--json', ...words)) as Told;
const text = async (...words: string[]): Promise<string> => moat.ok('explain', ...words);

type Step = {
  owner: string;
  family: string;
  table: string;
  chain: string;
  rule: number | 'policy';
  verdict: string;
};
type Told = {
  verdict: string;
  withinLimits?: string;
  hook: string;
  answers: string | null;
  sentTo: unknown;
  path: Step[];
  toChange: string[];
  live?: { kind: string; agrees: boolean; kernel: unknown[] };
};

test('a port that nobody opened: what listens there, who may, and the sentence that would open it', async () => {
  const [head, ...lines] = (await text('tcp', outside, '3306')).split('\n');
  expect(head).toBe(`DENIED  ${outside} → this host tcp/3306 (mysqld)`);
  expect(lines.slice(0, 3)).toEqual([
    '        no rule allows it; default deny (incoming)',
    `        allowed sources: ${blog} (rule 2)`,
    `        to allow: moat allow from ${outside} to any port 3306 proto tcp`,
  ]);
  expect(lines.join('\n')).toMatch(
    /prerouting −105 {2}moat \(nft inet moat\/prerouting rule 3\) {2}set, goto incoming/,
  );
});

test('sentences stand behind the rules of moat', async () => {
  const told = await text('tcp', blog, 'mysql');
  expect(told).toContain(`ALLOWED  ${blog} → this host tcp/3306 (mysqld)\n`);
  expect(told).toContain(`rule 2: allow from ${blog} to any port 3306 proto tcp\n`);
  // What opens it for all cannot be taken away behind it.
  expect(await text('tcp', outside, '22')).toContain(
    `to deny:  moat prepend deny from ${outside} to any port 22 proto tcp`,
  );
});

test('what a limit decides is not known, and is told', async () => {
  expect(await explained('tcp', outside, '2222')).toMatchObject({
    verdict: 'unknown',
    withinLimits: 'accept',
  });
  expect(await text('tcp', outside, '2222')).toContain('rule 3: limit 2222/tcp');
});

test.each<[string, () => string[], string, string]>([
  ['IPv6', () => ['tcp', network.outside.addresses.v6, '3306'], 'drop', 'default deny (incoming)'],
  ['ping', () => ['icmp', outside], 'accept', 'built in: icmp'],
  ['a reply', () => ['tcp', outside, '3306', '--state', 'established'], 'accept', 'part of a connection'],
  ['nonsense', () => ['tcp', outside, '22', '--state', 'invalid'], 'drop', '(invalid)'],
  ['loopback', () => ['tcp', '127.0.0.1', '3306'], 'accept', 'loopback is always let through'],
  ['out', () => ['out', 'tcp', outside, '443'], 'accept', 'no rule stops it'],
  [
    'to a container itself',
    () => ['tcp', outside, '80', '--to', container.addresses.v4],
    'drop',
    'default deny (routed)',
  ],
])('%s', async (_, words, verdict, why) => {
  expect((await explained(...words())).verdict).toBe(verdict);
  expect(await text(...words())).toContain(why);
});

test('a line that moat wrote to the log', async () => {
  const line = `kernel: [ 12.345] moat:deny-incoming IN=eth0 OUT= MAC=02:00 SRC=${outside} DST=${network.server.addresses.v4} LEN=60 TOS=0x00 PREC=0x00 TTL=63 ID=1 DF PROTO=TCP SPT=50000 DPT=3306 WINDOW=64240 RES=0x00 SYN URGP=0`;
  expect(await text(line)).toContain(`DENIED  ${outside} → this host tcp/3306 (mysqld)\n`);
});

test('a published port: denied where it is dialled, and followed into the container once it is open', async () => {
  expect(await explained('tcp', outside, '80')).toMatchObject({ verdict: 'drop', hook: 'input' });
  await moat.ok('allow', '80');
  const told = await explained('tcp', outside, '80');
  expect(told).toMatchObject({
    verdict: 'accept',
    hook: 'forward',
    sentTo: { dst: container.addresses.v4, dport: 80 },
    answers: `forwarded to ${container.addresses.v4}:80`,
  });
  expect(
    told.path
      .filter(({ table }) => table !== 'moat')
      .map(({ chain, rule, verdict }) => `${chain} ${rule} ${verdict}`),
  ).toEqual([
    'PREROUTING 1 jump',
    'DOCKER 2 dnat',
    'DOCKER 2 accept',
    'FORWARD 1 jump',
    'DOCKER-USER 1 return',
    'FORWARD 3 jump',
    'DOCKER 1 accept',
    'POSTROUTING policy accept',
  ]);
});

test.each<[string, () => string[]]>([
  ['what is refused', () => ['tcp', outside, '3306']],
  ['what is let in', () => ['tcp', blog, '3306']],
  ['what goes on to a container', () => ['tcp', outside, '80']],
  ['udp', () => ['udp', outside, '53']],
  ['IPv6', () => ['tcp', network.blog.addresses.v6, '22']],
  ['what is made here', () => ['out', 'udp', outside, '53']],
])('--live: a kernel with a copy of the rules says the same of %s', async (_, words) => {
  const before = await network.server.output('nft', ['list', 'ruleset']);
  const told = await explained(...words(), '--live');
  expect(told.live).toMatchObject({ kind: 'tried', agrees: true });
  expect(told.live?.kernel.length).toBeGreaterThan(0);
  expect(await network.server.output('nft', ['list', 'ruleset'])).toBe(before);
});

test('--packets answers in order, also for nobody, and says which lines are no packets', async () => {
  const file = join(moat.root, 'packets.jsonl');
  const packet = {
    family: 'ipv4',
    hook: 'input',
    in: 'eth0',
    dst: network.server.addresses.v4,
    proto: 'tcp',
    state: 'new',
  };
  const lines = [
    JSON.stringify({ ...packet, src: outside, dport: 3306 }),
    'nonsense',
    JSON.stringify({ ...packet, src: blog, proto: 6, dport: 3306 }),
  ];
  writeFileSync(file, lines.join('\n'));
  const { code, stdout, stderr } = await moat.run('explain', '--packets', file);
  expect([code, stderr]).toEqual([2, '']);
  const answers = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { verdict?: string; path?: Step[]; error?: object });
  expect(answers.map(({ verdict }) => verdict)).toEqual(['drop', undefined, 'accept']);
  expect(answers[1]).toEqual({ error: { line: 2, expected: 'one JSON object a line', given: 'nonsense' } });
  expect(answers[0]!.path!.at(-1)).toMatchObject({
    owner: 'moat',
    table: 'moat',
    chain: 'incoming',
    verdict: 'drop',
  });
});

test.each([
  [['tpc', '192.0.2.9', '22'], 'did you mean `tcp`?'],
  [['tcp', 'nobody', '22'], 'not an address'],
  [['tcp', '192.0.2.9'], 'the port is missing'],
  [['tcp', '192.0.2.9', '22', '23'], 'a word too many'],
  [['icmp', '2001:db8::1'], 'not of the family'],
  [['tcp', '192.0.2.9', '22', '--state', 'old'], 'expected: invalid, new'],
])('mistakes are told with what was expected: %j', async (words, message) => {
  const { code, stderr } = await moat.run('explain', ...words);
  expect(code).toBe(2);
  expect(stderr).toContain(message);
});
