import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Snapshot } from '../model/snapshot.ts';
import { readSnapshot } from './snapshot.ts';

const FULL: Snapshot = {
  format: 'moat-snapshot',
  version: 1,
  taken: '2026-01-02T03:04:05.000Z',
  hostname: 'db',
  kernel: '6.1.0',
  consistent: true,
  rulesets: { nft: { nftables: [{ table: { family: 'inet', name: 'x' } }] }, iptables: '*filter\nCOMMIT\n' },
  links: [
    {
      name: 'eth0',
      index: 2,
      loopback: false,
      up: true,
      mac: '00:00:5e:00:53:01',
      group: 0,
      addresses: [
        { family: 'ipv4', address: '192.0.2.1', prefixLength: 24, broadcast: '192.0.2.255' },
        { family: 'ipv6', address: '2001:db8::1', prefixLength: 64 },
      ],
    },
  ],
  routes: [
    {
      family: 'ipv4',
      table: 254,
      type: 'unicast',
      destination: '0.0.0.0/0',
      nextHops: [
        { device: 'eth0', gateway: '192.0.2.9' },
        { device: 'eth1', dead: true },
      ],
      metric: 100,
    },
  ],
  rules: [{ family: 'ipv4', priority: 5, inverted: true, dport: '80-90', action: 'lookup', table: 254 }],
  sysctls: { 'net/ipv4/ip_forward': '1' },
  sockets: [
    {
      protocol: 'tcp',
      families: ['ipv4'],
      address: '0.0.0.0',
      port: 22,
      uid: 0,
      processes: [{ pid: 7, name: 'sshd', args: ['sshd', '-D'], unit: 'ssh.service' }],
    },
  ],
  containers: [
    {
      engine: 'docker',
      id: 'ab',
      names: ['web'],
      image: 'nginx',
      networks: [{ name: 'bridge', addresses: ['172.17.0.2'] }],
      ports: [{ protocol: 'tcp', address: '0.0.0.0', port: 80, containerPort: 80 }],
    },
  ],
  networks: [{ engine: 'docker', id: 'cd', name: 'bridge', bridge: 'docker0' }],
  flows: [
    {
      family: 'ipv4',
      protocol: 6,
      state: 'ESTABLISHED',
      original: { src: '192.0.2.7', dst: '192.0.2.1', sport: 5000, dport: 22 },
      reply: { src: '192.0.2.1', dst: '192.0.2.7', sport: 22, dport: 5000 },
      flags: ['ASSURED'],
    },
  ],
  bypasses: [{ kind: 'xdp', device: 'eth0', detail: 'program 7' }],
  missing: [{ what: 'ipset save', why: 'ipset is not installed' }],
};

const problemsOf = (json: unknown) => readSnapshot(json).problems.map(({ path }) => path);

test('a snapshot comes back from its JSON as it was; what a later version adds is passed over', () => {
  const json = JSON.parse(JSON.stringify({ ...FULL, weather: 'fine' }));
  expect(readSnapshot(json)).toEqual({ snapshot: FULL, problems: [] });
});

describe('something else', () => {
  test.each([
    [undefined, 'format'],
    [null, 'format'],
    [[], 'format'],
    ['moat-snapshot', 'format'],
    [{ nftables: [] }, 'format'],
    [{ ...FULL, version: 2 }, 'version'],
  ])('%j is refused at %s', (json, path) => {
    const { snapshot, problems } = readSnapshot(json);
    expect(snapshot).toBeUndefined();
    expect(problems.map((problem) => problem.path)).toEqual([path]);
  });

  test('each field that is wrong is told with its path, what was expected and what was found', () => {
    const [link] = FULL.links!;
    const json = {
      ...FULL,
      missing: undefined,
      links: [{ ...link, index: -1, addresses: [{ family: 'ipv5', address: '010.0.0.1', prefixLength: 8 }] }],
      rules: 'none',
      sysctls: { 'net/ipv4/ip_forward': 1 },
    };
    expect(readSnapshot(json).problems).toEqual([
      { path: 'missing', expected: 'a list', found: 'nothing' },
      { path: 'links[0].index', expected: 'a whole number from 0 to 4294967295', found: '-1' },
      { path: 'links[0].addresses[0].family', expected: '"ipv4" or "ipv6"', found: '"ipv5"' },
      { path: 'links[0].addresses[0].address', expected: 'an IP address', found: '"010.0.0.1"' },
      { path: 'rules', expected: 'a list', found: '"none"' },
      { path: 'sysctls["net/ipv4/ip_forward"]', expected: 'text', found: '1' },
    ]);
  });

  test('at any place is a problem at that place or below, never an exception', () => {
    const places = [...pathsOf(FULL)].filter(([head]) => head !== undefined && head !== 'rulesets');
    const wrong = fc.oneof(fc.constant(null), fc.constant({}), fc.constant([[]]), fc.constant(-1.5));
    fc.assert(
      fc.property(fc.constantFrom(...places), wrong, (path, value) => {
        const json = structuredClone(FULL) as never;
        put(json, path, value);
        const problems = problemsOf(json);
        // An empty object is a record of sysctls without one, and a way of which nothing is known.
        const mayBeEmpty = path.join() === 'sysctls' || path.at(-2) === 'nextHops';
        if (mayBeEmpty && JSON.stringify(value) === '{}') return;
        expect(problems.length).toBeGreaterThan(0);
        expect(problems[0]?.startsWith(String(path[0]))).toBe(true);
      }),
    );
  });

  test('any JSON is read without an exception', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (json) => {
        expect(readSnapshot(json).snapshot).toBeUndefined();
        readSnapshot({ ...FULL, links: json, rulesets: json, flows: [json] });
      }),
    );
  });
});

type Path = readonly (string | number)[];

function* pathsOf(value: unknown, at: Path = []): Generator<Path> {
  yield at;
  if (typeof value !== 'object' || value === null) return;
  for (const [key, each] of Object.entries(value)) {
    yield* pathsOf(each, [...at, Array.isArray(value) ? Number(key) : key]);
  }
}

function put(json: Record<string | number, never>, path: Path, value: unknown): void {
  const [key, ...rest] = path;
  if (rest.length === 0) (json as Record<string | number, unknown>)[key!] = value;
  else put(json[key!]!, rest, value);
}
