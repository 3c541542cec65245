// What `moat explain` says of a packet's way against the kernel's own trace: the deciding rule, and all before it.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { plainPacket, prepareWalk, type Ruleset, renderChange, type WalkStep } from '@moat/netfilter';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { assertPrivateNetwork } from '../../lab/guard.ts';
import { buildInjector, type Injector, type InjectorProgram } from '../../lab/inject.ts';
import { completePacket } from '../../lab/probe.ts';
import type { TraceStep } from '../../lab/trace.ts';
import { compileTable } from '../../packages/firewall/src/compile/table.ts';
import { parsePolicyFile } from '../../packages/firewall/src/policy/file.ts';
import { parseServices } from '../../packages/firewall/src/policy/services.ts';
import { pathTeller } from '../../packages/firewall/src/report/path-step.ts';
import { edgeDevices, edgePackets, mixFor } from './model/edge-packets.ts';
import { loadRuleset, type RulesetText, rulesetText } from './model/kernel-ruleset.ts';
import { randomFrom } from './model/random.ts';

assertPrivateNetwork();

const SEED = 5;
const PACKETS = 1500;
/** Of the packets whose way no chance decides. */
const LEAST = 200;

let program: InjectorProgram;
let injector: Injector;
beforeAll(async () => {
  program = await buildInjector();
  injector = await program.start();
});
afterAll(async () => {
  await injector.close();
  await program.remove();
});

function dump(name: string): RulesetText {
  const file = fileURLToPath(new URL(`../rulesets/${name}`, import.meta.url));
  return rulesetText(readFileSync(file, 'utf8'))!;
}

const SETS_AND_MAPS = `table inet maps {
  set admins { type ipv4_addr; flags interval; elements = { 10.0.0.0/24, 192.0.2.7 } }
  set pairs { type ipv4_addr . inet_service; elements = { 10.0.0.9 . 22, 192.0.2.7 . 80 } }
  map ports { type inet_service : verdict; elements = { 22 : jump ssh, 80 : accept, 443 : goto web, 53 : drop } }
  chain ssh { ip saddr @admins accept; ip saddr 10.9.0.0/16 return; tcp flags syn reject with tcp reset; }
  chain web { ip daddr . tcp dport @pairs accept; ct state new meta mark set 7; }
  chain early { type filter hook prerouting priority -300; policy accept; ip saddr 10.6.0.0/16 notrack; udp dport 9 drop; }
  chain in { type filter hook input priority 0; policy drop;
    ct state vmap { established : accept, invalid : drop, related : jump ssh }
    iifname vmap { "lo" : accept, "eth1" : jump web }
    tcp dport vmap @ports
    meta l4proto { icmp, ipv6-icmp } accept
    meta mark 7 accept
  }
  chain after { type filter hook input priority 10; policy accept; ip saddr 10.0.0.5 drop; }
  chain through { type filter hook forward priority 0; policy accept;
    ip daddr . tcp dport { 10.0.0.1 . 22-80, 198.51.100.0/24 . 443 } drop
    oifname "eth*" ip protocol vmap { tcp : jump ssh, udp : goto web }
  }
  chain turn { type nat hook prerouting priority -100; tcp dport 8080 dnat ip to 10.0.0.9:80; udp dport 5353 redirect to :53; }
}`;

const POLICY = `default deny incoming
default allow outgoing
default reject routed
logging medium
group blog 203.0.113.7 2001:db8::7 10.0.0.0/24
allow 22
deny from 192.0.2.0/24
reject 25/tcp
allow from blog to any port 3306 proto tcp
allow 80,443,8000:8100/tcp
deny out to 198.51.100.0/24 port 25 proto tcp
`;

function ownTable(): RulesetText {
  const parsed = parsePolicyFile(POLICY, parseServices(''));
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  const table = compileTable(parsed.file.policy, { containers: ['docker0'], others: [], bridges: [] });
  return { tool: 'nft', text: renderChange(table, undefined)! };
}

const CASES: readonly (readonly [string, () => readonly RulesetText[]])[] = [
  ['Docker and ufw', () => [dump('docker20_ufw.iptables'), dump('docker20_ufw.ip6tables')]],
  ['ufw with rules of all kinds', () => [dump('ufw_configured.iptables'), dump('ufw_configured.ip6tables')]],
  ['firewalld through iptables', () => [dump('firewalld_iptables_backend.ip6tables')]],
  ['firewalld', () => [dump('firewalld_ipset_policy.nft')]],
  ['Shorewall', () => [dump('shorewall_three-interfaces.iptables')]],
  ['libvirt', () => [dump('libvirt_4nets.iptables')]],
  ['sets, maps and NAT of nft', () => [{ tool: 'nft', text: SETS_AND_MAPS }]],
  ["moat's own table", () => [ownTable()]],
  ["moat's own table before Docker and ufw", () => [ownTable(), dump('docker20_ufw.iptables')]],
];

test.each(CASES)('%s: the same rules decide', async (_, texts) => {
  const loaded = await loadRuleset(injector, texts(), { trace: true });
  if (loaded.kind === 'refused') throw new Error(loaded.message);
  const { ruleset } = loaded;
  const random = randomFrom(SEED);
  await injector.addDevices(edgeDevices(ruleset, random));
  const packets = edgePackets(ruleset, injector.devices, mixFor(ruleset), random, PACKETS).map((packet) =>
    completePacket(packet, injector.devices),
  );
  const traces = await injector.trace(packets);
  const walk = prepareWalk(ruleset);
  const teller = pathTeller(ruleset);
  const handles = handlesOf(ruleset);
  const differences: unknown[] = [];
  let compared = 0;
  for (const [i, packet] of packets.entries()) {
    const { path, unknowns } = walk(plainPacket(packet));
    if (unknowns.length > 0) continue;
    compared++;
    // The numbers and handles that are told lead to the rules that the kernel names.
    const told = path.map((step) => ({ step, json: teller.step(step) }));
    const model = decisions(told.map(({ step, json }) => ({ step, handle: handles(json) })));
    const kernel = traces[i]!.flatMap(kernelDecision);
    if (JSON.stringify(model) !== JSON.stringify(kernel))
      differences.push({ packet: show(packet), model, kernel });
  }
  expect(differences.slice(0, 3)).toEqual([]);
  expect(differences.length).toBe(0);
  expect(compared).toBeGreaterThanOrEqual(LEAST);
});

/** The handle of the rule at a place, as it was told. */
function handlesOf({ tables }: Ruleset) {
  return ({ family, table, chain, rule }: ReturnType<ReturnType<typeof pathTeller>['step']>) => {
    if (rule === 'policy') return undefined;
    const found = tables
      .find((each) => each.family === family && each.name === table)
      ?.chains.find(({ name }) => name === chain)?.rules[rule - 1];
    return found?.handle ?? found?.origin?.handle;
  };
}

const TERMINAL = ['accept', 'drop', 'jump', 'goto', 'return'];

/** What a rule did at last, for each rule that let the packet not simply go on. */
function decisions(steps: readonly { readonly step: WalkStep; readonly handle: number | undefined }[]) {
  return steps.flatMap(({ step, handle }, i) => {
    const next = steps[i + 1]?.step;
    if (next !== undefined && step.rule !== undefined && next.rule === step.rule) return [];
    const { kind } = step.verdict;
    const verdict = kind === 'nat' ? 'accept' : kind === 'reject' ? 'drop' : kind;
    if (!TERMINAL.includes(verdict)) return [];
    return [[step.table.family, step.table.name, step.chain, handle ?? 'policy', verdict].join(' ')];
  });
}

function kernelDecision({ kind, family, table, chain, handle, verdict }: TraceStep): string[] {
  if (kind === 'return' || !TERMINAL.includes(verdict)) return [];
  return [[family, table, chain, kind === 'policy' ? 'policy' : handle, verdict].join(' ')];
}

const show = (value: unknown): string =>
  JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? `0x${each.toString(16)}` : each));
