// What the audit tells of dumps in test/rulesets, said by hand after reading them.
import { readFileSync } from 'node:fs';
import { type Ruleset, readIptablesSave, readNftJson } from '@moat/netfilter';
import { expect, test } from 'vitest';
import { auditOf } from '../../packages/firewall/src/report/audit.ts';
import { auditJson } from '../../packages/firewall/src/report/audit-json.ts';

interface Told {
  readonly exposures: readonly {
    readonly family: string;
    readonly proto: string;
    readonly port: number | string;
    readonly sources: readonly string[];
    readonly interfaces?: readonly string[];
    readonly to?: readonly string[];
    readonly reaches: { readonly name?: string; readonly forwardedTo?: { readonly address?: string } };
    readonly openedBy: readonly {
      readonly owner: string;
      readonly chain: string;
      readonly rule: number | string;
    }[];
    readonly certainty: string;
  }[];
  readonly unknown: readonly unknown[];
}

function audited(file: string): Told {
  const text = readFileSync(new URL(`../rulesets/${file}`, import.meta.url), 'utf8');
  const ruleset: Ruleset = file.endsWith('.json')
    ? readNftJson(JSON.parse(text))
    : readIptablesSave(text).ruleset;
  return auditJson(auditOf({ ruleset, problems: [] })) as Told;
}

const ANY: ReadonlySet<string> = new Set(['0.0.0.0/0', '::/0']);

/** `22/tcp from anywhere: ufw ufw-user-input 1`; where it is sent, at which address and whether it is certain, if told. */
function lines({ exposures }: Told): string[] {
  return exposures.map(({ proto, port, sources, interfaces, to, reaches, openedBy: [by], certainty }) => {
    const from = sources.every((each) => ANY.has(each))
      ? 'anywhere'
      : sources.length > 3
        ? 'some'
        : sources.join(' ');
    const on = interfaces === undefined ? '' : ` on ${interfaces.join(' ')}`;
    const at = to === undefined ? '' : ` at ${to.join(' ')}`;
    const target = reaches.forwardedTo?.address ?? reaches.name;
    const sent = typeof target === 'string' ? ` to ${target}` : '';
    const maybe = certainty === 'must' ? '' : ', perhaps';
    return `${port}/${proto} from ${from}${on}${at}${sent}${maybe}: ${by?.owner} ${by?.chain} ${by?.rule}`;
  });
}
const OPEN: Readonly<Record<string, readonly string[]>> = {
  // ufw lets 22 in; 80 is open all the same, by the rule that Docker wrote for its container.
  'docker20_ufw.iptables': [
    '22/tcp from anywhere: ufw ufw-user-input 1',
    '22/udp from anywhere: ufw ufw-user-input 2',
    '68/udp from anywhere: ufw ufw-before-input 9',
    '80/tcp from anywhere to 172.17.0.2:80: docker DOCKER 2',
  ],
  'docker20_ufw.ip6tables': [
    '22/tcp from anywhere: ufw ufw6-user-input 1',
    '22/udp from anywhere: ufw ufw6-user-input 2',
    '546/udp from fe80::/10 at fe80::/10: ufw ufw6-before-input 31',
  ],
  'ufw_default.iptables': ['68/udp from anywhere: ufw ufw-before-input 9'],
  // 198.51.100.0/24 is denied before what follows; 2222 is limited.
  'ufw_configured.iptables': [
    '22/tcp from anywhere: ufw ufw-user-input 1',
    '53/tcp from some on eth0: ufw ufw-user-input 8',
    '53/udp from some on eth0: ufw ufw-user-input 9',
    '68/udp from anywhere: ufw ufw-before-input 9',
    '80/tcp from anywhere: ufw ufw-user-input 5',
    '443/tcp from anywhere: ufw ufw-user-input 5',
    '2222/tcp from anywhere, perhaps: ufw ufw-user-input 3',
    '3306/tcp from some: ufw ufw-user-input 12',
    '3306/udp from some: ufw ufw-user-input 14',
    '5432/tcp from 203.0.113.0/24: ufw ufw-user-input 6',
    '6000-6007/udp from some: ufw ufw-user-input 10',
  ],
  'ferm_webserver.iptables': [
    '22/tcp from 195.135.144.144/28: iptables (by hand) INPUT 5',
    '25/tcp from anywhere: iptables (by hand) INPUT 8',
    '80/tcp from anywhere: iptables (by hand) INPUT 6',
    '443/tcp from anywhere: iptables (by hand) INPUT 7',
  ],
  // 8080 and 3128 of eth1 are rejected, by name.
  'ferm_dmz_router.iptables': [
    '22/tcp from 192.168.0.4/32 on eth0: iptables (by hand) INPUT 8',
    '22/tcp from 192.168.0.10/32 on eth0: iptables (by hand) INPUT 9',
    '25/tcp from anywhere on eth1 at 193.43.91.203/32 to 192.168.1.3: iptables (by hand) PREROUTING 2',
    '53/tcp from anywhere on eth0 eth2: iptables (by hand) INPUT 11',
    '53/tcp from anywhere on eth1 at 193.43.91.203/32 to 192.168.1.4: iptables (by hand) PREROUTING 3',
    '53/udp from anywhere on eth0 eth2: iptables (by hand) INPUT 10',
    '53/udp from anywhere on eth1 at 193.43.91.203/32 to 192.168.1.4: iptables (by hand) PREROUTING 4',
    '80/tcp from anywhere on eth1 at 193.43.91.203/32 to 192.168.1.2: iptables (by hand) PREROUTING 1',
    '113/tcp from anywhere on eth1: iptables (by hand) INPUT 14',
    '500/udp from anywhere on eth1: iptables (by hand) INPUT 5',
  ],
  // libvirt looks after its bridges; nobody looks after the host.
  'libvirt_4nets.iptables': [
    '1-65535/sctp from anywhere: no firewall INPUT policy',
    '1-65535/tcp from anywhere: no firewall INPUT policy',
    '1-65535/udp from anywhere: no firewall INPUT policy',
  ],
  'firewalld_iptables_backend.ip6tables': [
    '22/tcp from anywhere: firewalld IN_public_allow 1',
    '80/tcp from anywhere: firewalld IN_public_allow 3',
    '546/udp from anywhere at fe80::/64: firewalld IN_public_allow 2',
  ],
  'shorewall_one-interface.iptables': ['67-68/udp from anywhere on eth0: shorewall net-fw 3'],
  'shorewall_two-interfaces.iptables': [
    '22/tcp from anywhere on eth1: shorewall loc-fw 5',
    '67-68/udp from anywhere on eth0: shorewall net-fw 3',
  ],
};

test.each(Object.entries(OPEN))('%s', (file, open) => {
  const told = audited(file);
  expect(lines(told)).toEqual(open);
  expect(told.unknown).toEqual([]);
});

test('a network that is denied before is no source, and its neighbours are', () => {
  const denied = audited('ufw_configured.iptables').exposures.filter(({ sources }) => sources.length > 3);
  expect(denied.length).toBe(5);
  for (const { sources } of denied) {
    expect(sources).toContain('198.51.101.0/24');
    expect(sources).toContain('198.51.96.0/22');
    expect(sources.filter((each) => each.startsWith('198.51.100.'))).toEqual([]);
  }
});

test('a set of blocked networks is no source, over IPv4, which the set is about', () => {
  const ssh = audited('firewalld_ipset_policy.nft.json').exposures.filter(({ port }) => port === 22);
  const [v4, v6] = ssh;
  expect(v4?.sources.some((each) => each.startsWith('198.18.1.'))).toBe(false);
  expect(v4?.sources).toContain('198.20.0.0/14');
  expect(v6?.sources).toEqual(['::/0']);
});
