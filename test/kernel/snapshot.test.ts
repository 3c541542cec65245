import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  formatAddress,
  formatPrefix,
  hostOf,
  readSnapshot,
  type Snapshot,
  snapshotRuleset,
  unknownParts,
} from '@moat/netfilter';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CommandResult, runCommand } from '../../lab/command.ts';
import { assertPrivateNetwork } from '../../lab/guard.ts';
import { MOAT_PROGRAM } from '../../lab/moat.ts';
import { run } from '../../packages/firewall/src/kernel/process.ts';
import { takeRulesets } from '../../packages/firewall/src/kernel/rulesets.ts';
import { takeSnapshot } from '../../packages/firewall/src/kernel/snapshot.ts';
import { snapshotListeners } from '../../packages/firewall/src/kernel/snapshot-listeners.ts';

assertPrivateNetwork();

const sh = async (script: string) => {
  expect(await run('sh', ['-ec', script])).toMatchObject({ code: 0 });
};

const NETWORK = `
ip link add snap-br type bridge
ip link add snap-a type veth peer name snap-b
ip link set snap-a master snap-br group 7
ip link set snap-br up; ip link set snap-a up; ip link set snap-b up
ip addr add 192.0.2.1/24 brd + dev snap-br
ip addr add 10.1.1.1 peer 10.1.1.2 dev snap-b
ip addr add 2001:db8::1/64 dev snap-br nodad
ip route add default via 192.0.2.9
ip route add blackhole 198.51.100.0/24
ip route add 203.0.113.0/24 nexthop via 192.0.2.3 nexthop via 192.0.2.4
ip route add 10.7.0.0/16 via 192.0.2.5 table 100 metric 5
ip -6 route add default via 2001:db8::9
ip rule add pref 50 from 192.0.2.0/24 fwmark 0x1/0xff iif snap-br lookup 100
ip -6 rule add pref 60 from 2001:db8::/32 unreachable
`;
const RULES = `
iptables -A INPUT -p tcp -m conntrack --ctstate NEW -m multiport --dports 22,80 -j ACCEPT
ip6tables -A INPUT -m addrtype --dst-type LOCAL -j DROP
nft add table inet snap
nft add chain inet snap in '{ type filter hook input priority 5; policy drop; }'
nft add rule inet snap in ct state established counter accept comment '"the office"'
`;

const closing: (() => void)[] = [];
let folder: string;
let snapshot: Snapshot;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'snapshot-'));
  await sh(NETWORK);
  await sh(RULES);
  const server = createServer().listen(7101, '192.0.2.1');
  closing.push(() => server.close());
  await once(server, 'listening');
  const udp = createSocket('udp4');
  closing.push(() => udp.close());
  udp.bind(7102, '127.0.0.1');
  await once(udp, 'listening');
  snapshot = await takeSnapshot({ nftText: true, flows: true });
});
afterAll(async () => {
  for (const close of closing) close();
  rmSync(folder, { recursive: true });
  await sh(
    'nft flush ruleset; ip link del snap-br; ip link del snap-a; ip rule del pref 50; ip -6 rule del pref 60; ' +
      'ip route del blackhole 198.51.100.0/24',
  );
});

describe('of a machine with links, routes, rules and sockets', () => {
  test('it is pure JSON that is read back as it was', () => {
    expect(readSnapshot(JSON.parse(JSON.stringify(snapshot)))).toEqual({ snapshot, problems: [] });
    expect(snapshot.consistent).toBe(true);
    const gaps = snapshot.missing.filter(({ what }) => !/^BPF programs|^filters of tc/.test(what));
    expect(gaps).toEqual([]);
    expect(snapshot.rulesets.nftText).toContain('table inet snap {');
    expect(snapshot.flows).toBeInstanceOf(Array);
  });

  test('every rule is exact, out of both listings', () => {
    const { ruleset, problems } = snapshotRuleset(snapshot);
    expect(problems).toEqual([]);
    expect(ruleset.tables.map(({ family, name, source }) => `${family} ${name} ${source}`).sort()).toEqual([
      'inet snap nft',
      'ip filter iptables-nft',
      'ip6 filter iptables-nft',
    ]);
    const rules = ruleset.tables.flatMap(({ chains }) => chains.flatMap((chain) => chain.rules));
    expect(rules).toHaveLength(3);
    expect(rules.filter((rule) => unknownParts(rule).length > 0)).toEqual([]);
  });

  test('links with addresses, master, hardware address and group', () => {
    const { links, missing } = hostOf(snapshot);
    expect(missing).toEqual([]);
    const bridge = links.find(({ name }) => name === 'snap-br')!;
    expect(bridge).toMatchObject({ kind: 'bridge', up: true, loopback: false, group: 0 });
    expect(bridge.mac).toMatch(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/);
    const [first] = bridge.addresses;
    expect(formatAddress(first!.address)).toBe('192.0.2.1');
    expect(formatPrefix(first!.prefix)).toBe('192.0.2.0/24');
    expect(formatAddress(first!.broadcast!)).toBe('192.0.2.255');
    expect(links.find(({ name }) => name === 'snap-a')).toMatchObject({ master: 'snap-br', group: 7 });
    const far = links.find(({ name }) => name === 'snap-b')!.addresses.find(({ peer }) => peer !== undefined);
    expect(formatPrefix(far!.prefix)).toBe('10.1.1.2');
    expect(links.find(({ loopback }) => loopback)?.name).toBe('lo');
  });

  test('routes of all tables and kinds', () => {
    const routes = hostOf(snapshot).routes.map(({ table, type, prefix, nextHops }) => {
      const hops = nextHops.map(({ device, gateway }) =>
        gateway === undefined ? device : `${formatAddress(gateway)} ${device}`,
      );
      return [table, type, formatPrefix(prefix), ...hops].join(' ');
    });
    for (const route of [
      '254 unicast 0.0.0.0/0 192.0.2.9 snap-br',
      '254 unicast 192.0.2.0/24 snap-br',
      '254 blackhole 198.51.100.0/24',
      '254 unicast 203.0.113.0/24 192.0.2.3 snap-br 192.0.2.4 snap-br',
      '100 unicast 10.7.0.0/16 192.0.2.5 snap-br',
      '255 local 192.0.2.1 snap-br',
      '255 local 127.0.0.0/8 lo',
      '255 broadcast 192.0.2.255 snap-br',
      '254 unicast ::/0 2001:db8::9 snap-br',
      '255 local 2001:db8::1 snap-br',
      '255 multicast ff00::/8 snap-br',
    ]) {
      expect(routes).toContain(route);
    }
  });

  test('rules of policy routing, and sysctls', () => {
    const { rules, sysctls } = hostOf(snapshot);
    expect(rules.find(({ priority }) => priority === 50)).toMatchObject({
      family: 'ipv4',
      iif: 'snap-br',
      mark: { value: 1, mask: 255 },
      action: { kind: 'lookup', table: 100 },
      unknown: [],
    });
    expect(rules.find(({ priority }) => priority === 60)).toMatchObject({
      family: 'ipv6',
      action: { kind: 'unreachable' },
    });
    expect(rules.filter(({ family }) => family === 'ipv4')[0]).toMatchObject({ action: { table: 255 } });
    expect(sysctls['net/ipv4/ip_forward']).toMatch(/^[01]$/);
    expect(sysctls['net/ipv4/conf/snap-br/rp_filter']).toMatch(/^[012]$/);
    expect(sysctls['net/ipv6/conf/all/forwarding']).toMatch(/^[01]$/);
  });

  test('sockets with their processes', () => {
    const socket = snapshot.sockets!.find(({ port }) => port === 7101);
    expect(socket).toMatchObject({ protocol: 'tcp', families: ['ipv4'], address: '192.0.2.1' });
    expect(socket!.processes.map(({ pid }) => pid)).toContain(process.pid);
    expect(snapshot.sockets!.find(({ port }) => port === 7102)).toMatchObject({ protocol: 'udp' });
    const listener = snapshotListeners(snapshot).listeners.find(({ port }) => port === 7101);
    expect(listener?.what).toMatchObject({ kind: 'process' });
  });
});

describe('tables of iptables-legacy', () => {
  const names = () => readFileSync('/proc/self/net/ip_tables_names', 'latin1').trim();

  test('are not made by looking, and are read where they are', async () => {
    expect(names()).toBe('');
    expect(snapshot.rulesets.iptablesLegacy).toBeUndefined();
    await sh('iptables-legacy -A INPUT -p tcp --dport 99 -j DROP');
    try {
      const { rulesets, consistent } = await takeRulesets({ nftText: false });
      expect(consistent).toBe(true);
      const { ruleset } = snapshotRuleset({ ...snapshot, rulesets });
      const legacy = ruleset.tables.find(({ source }) => source === 'iptables-legacy');
      expect(legacy?.chains.flatMap(({ rules }) => rules)).toHaveLength(1);
      expect(rulesets.ip6tablesLegacy).toBeUndefined();
    } finally {
      await sh('iptables-legacy -F');
    }
  });
});

test('rules that change while they are read are read again, and two listings never disagree', async () => {
  let stop = false;
  const change = (async () => {
    while (!stop) {
      await run('iptables', ['-I', 'INPUT', '-m', 'conntrack', '--ctstate', 'INVALID', '-j', 'DROP']);
      await run('iptables', ['-D', 'INPUT', '1']);
    }
  })();
  const taken = [];
  for (let i = 0; i < 8; i++) taken.push(await takeRulesets({ nftText: false }));
  stop = true;
  await change;
  for (const { rulesets, consistent } of taken) {
    if (consistent) expect(snapshotRuleset({ ...snapshot, rulesets }).problems).toEqual([]);
  }
  const quiet = await takeRulesets({ nftText: false });
  expect(quiet.consistent).toBe(true);
});

describe('the command', () => {
  const moat = (words: readonly string[], input?: string): Promise<CommandResult> =>
    runCommand(process.execPath, [MOAT_PROGRAM, ...words], {
      env: { MOAT_ROOT: folder, DOCKER_HOST: `unix://${folder}/none.sock` },
      ...(input === undefined ? {} : { input }),
    });
  const at = (name: string) => join(folder, name);

  test('writes a file for nobody else, or to stdout', async () => {
    const { code, stdout } = await moat(['snapshot', at('one.json')]);
    expect([code, stdout]).toEqual([0, expect.stringContaining(`Wrote ${at('one.json')}`)]);
    expect(statSync(at('one.json')).mode & 0o777).toBe(0o600);
    const printed = await moat(['snapshot', '--conntrack']);
    expect(printed.code).toBe(0);
    const { snapshot: read } = readSnapshot(JSON.parse(printed.stdout));
    expect(read?.links).toEqual(snapshot.links);
    expect(read?.flows).toBeDefined();
  });

  test('redacts, also one that was taken before', async () => {
    await moat(['snapshot', at('two.json')]);
    const { code, stdout } = await moat(['snapshot', '--redact', '--snapshot', at('two.json')]);
    expect(code).toBe(0);
    expect(stdout).not.toContain('the office');
    expect(readSnapshot(JSON.parse(stdout)).snapshot).toMatchObject({ redacted: true, hostname: 'host' });
  });

  test('does not replace what is no plain file', async () => {
    expect(await moat(['snapshot', folder])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('not a plain'),
    });
    expect(await moat(['snapshot', at('no/such/folder')])).toMatchObject({ code: 1 });
    expect(existsSync(folder)).toBe(true);
  });

  test.each([
    ['nothing at all', [], '', 'there is no such file'],
    ['another JSON', ['x.json'], '{"a": 1}', 'format: expected a snapshot'],
    ['JSON of nft', ['x.json'], '{"nftables": []}', 'give it with --ruleset'],
    ['a dump', ['x.json'], '*filter\nCOMMIT\n', 'give it with --ruleset'],
    ['torn JSON', ['x.json'], '{"format": "moat-snap', 'expected a snapshot, which is JSON'],
  ])('says what is wrong with %s', async (_, [name], text, message) => {
    if (name !== undefined) writeFileSync(at(name), text);
    const { code, stderr } = await moat(['snapshot', '--snapshot', at(name ?? 'none')]);
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
    expect(stderr).toContain(at(name ?? 'none'));
  });

  test('a verb that changes this machine takes no other machine', async () => {
    const { code, stderr } = await moat(['allow', '22', '--snapshot', at('one.json')]);
    expect([code, stderr]).toEqual([2, expect.stringContaining('is about this machine')]);
    expect(existsSync(at('etc/moat/policy'))).toBe(false);
  });

  test('an ordinary user gets what he may see, and is told what is missing', async () => {
    const { code, stdout } = await runCommand(
      'setpriv',
      ['--reuid=65534', '--regid=65534', '--clear-groups', process.execPath, MOAT_PROGRAM, 'snapshot'],
      { env: { DOCKER_HOST: `unix://${folder}/none.sock` } },
    );
    expect(code).toBe(0);
    const read = readSnapshot(JSON.parse(stdout)).snapshot!;
    expect(read.rulesets).toEqual({});
    expect(read.missing.map(({ what }) => what)).toContain('rules of nftables and of iptables-nft');
    expect(read.links).toEqual(snapshot.links);
  });
});
