// The names by which programs that write firewall rules are known in the kernel's tables.

/** What stands in a ruleset, and the program that writes it there. The first that fits counts. */
type Signs = readonly (readonly [RegExp, string])[];

/** Tables that belong to one program alone. */
const TABLES: Signs = [
  [/^moat$/, 'moat'],
  [/^firewalld(_policy_drop)?$/, 'firewalld'],
  [/^docker-bridges$/, 'docker'],
  [/^netavark$/, 'podman'],
  [/^(f2b-|fail2ban)/, 'fail2ban'],
  [/^crowdsec/, 'crowdsec'],
  [/^wg-quick-/, 'wireguard (wg-quick)'],
  [/^lxd$/, 'lxd'],
  [/^incus$/, 'incus'],
  [/^lxc$/, 'lxc'],
  [/^libvirt_network$/, 'libvirt'],
  [/^kube-proxy$/, 'kube-proxy'],
  [/^calico$/, 'calico'],
  [/^flannel-ipv[46]$/, 'flannel'],
  [/^cni_/, 'cni'],
  [/^istio-/, 'istio'],
  [/^fw4$/, 'openwrt'],
  [/^banIP$/, 'banip'],
  [/^miniupnpd$/, 'miniupnpd'],
  [/^foomuuri$/, 'foomuuri'],
  [/^vyos_/, 'vyos'],
  [/^proxmox-firewall/, 'proxmox'],
  [/^nm-shared-/, 'networkmanager'],
  [/^io\.systemd\.nat$/, 'systemd-networkd'],
  [/^sshguard$/, 'sshguard'],
  [/^qubes(-|$)/, 'qubes'],
  [/^mullvad/, 'mullvad'],
  [/^opensnitch$/, 'opensnitch'],
];

/** Chains in tables that several programs share. */
const CHAINS: Signs = [
  [/^ufw6?-/, 'ufw'],
  [/^DOCKER(-|$)/, 'docker'],
  [/^NETAVARK/, 'podman'],
  [/^CNI-/, 'cni'],
  [/^(LIBVIRT_|libvirt-|[FH]?[IOJP]-vnet\d|F[IOJP]-vnet\d)/, 'libvirt'],
  [/^(f2b|fail2ban)-/, 'fail2ban'],
  [/^(KUBE-ROUTER|KUBE-NWPLCY|KUBE-POD-FW|KUBE-SVC-PROXY)/, 'kube-router'],
  [/^KUBE-(KUBELET-CANARY|FIREWALL$|MARK-DROP$)/, 'kubernetes (kubelet)'],
  [/^KUBE-/, 'kube-proxy'],
  [/^(cali|felix)-/, 'calico'],
  [/^FLANNEL-/, 'flannel'],
  [/^(OLD_)?CILIUM_/, 'cilium'],
  [/^WEAVE/, 'weave'],
  [/^ANTREA-/, 'antrea'],
  [/^ISTIO_/, 'istio'],
  [/^ts-(input|forward|prerouting|postrouting)$/, 'tailscale'],
  [/^crowdsec/i, 'crowdsec'],
  [/^sshguard$/, 'sshguard'],
  [
    /^(INPUT|FORWARD|OUTPUT|PREROUTING|POSTROUTING)_(direct|POLICIES_(pre|post)|(IN_|OUT_)?ZONES(_SOURCE)?)$/,
    'firewalld',
  ],
  [/^(neutron|nova|quantum)-/, 'openstack'],
  [/^zone_.+_(input|output|forward|prerouting|postrouting|helper|rule|(src|dest)_[A-Za-z]+)$/, 'openwrt'],
  [/^MINIUPNPD/, 'miniupnpd'],
  [/^nm-(sh|shared)-/, 'networkmanager'],
  [/^sshuttle-/, 'sshuttle'],
  [/^nixos-/, 'nixos'],
  [/^PVEFW-/, 'proxmox'],
  [/imunify360/, 'imunify360'],
  [/^InstanceServices$/, 'oracle cloud'],
  [/^QBS-/, 'qubes'],
];

/** Comments of rules. */
const COMMENTS: Signs = [
  [/^moat:/, 'moat'],
  [/^cali:/, 'calico'],
  [/^!fw3\b/, 'openwrt'],
  [/^flanneld /, 'flannel'],
  [/^kubernetes /, 'kube-proxy'],
  [/^generated for LXD network/, 'lxd'],
  [/^generated for Incus network/, 'incus'],
  [/^wg-quick\(8\) rule/, 'wireguard (wg-quick)'],
  [/^netavark\b/, 'podman'],
  [/^(CNI portfwd|name: ".+" id: ")/, 'cni'],
  [/^nm-shared-/, 'networkmanager'],
  [/^nordvpn/, 'nordvpn'],
];

/** Sets that rules ask for. */
const SETS: Signs = [
  [/^(f2b|fail2ban)-/, 'fail2ban'],
  [/^crowdsec/i, 'crowdsec'],
  [/^sshguard[46]?$/, 'sshguard'],
  [/^(KUBE|KUBE-6)-/, 'kube-proxy'],
  [/^cali[46]0/, 'calico'],
];

/** What a rule writes to the log. */
const LOG_PREFIXES: Signs = [
  [/^\[UFW /, 'ufw'],
  [/^Shorewall:/, 'shorewall'],
  [/^moat:/, 'moat'],
];

/** Interfaces that a program makes and names, where it writes rules about them into chains of others without a mark. */
const INTERFACES: Signs = [
  [/^(docker0|docker_gwbridge|br-[0-9a-f]{12})$/, 'docker'],
  [/^virbr\d+$/, 'libvirt'],
];

/** Chains that only a manager makes which takes all of iptables' tables for itself and marks little of it. */
const RESIDENTS: Signs = [
  [/^shorewall$/, 'shorewall'],
  [/^INPUT_(direct|ZONES)$/, 'firewalld'],
  [/^(in|out)_.+_[cs]\d+$/, 'firehol'],
  [/^LOCALINPUT$/, 'csf'],
  [/^EXT_INPUT_CHAIN$/, 'arno-iptables-firewall'],
];

const MARKS = {
  table: TABLES,
  chain: CHAINS,
  comment: COMMENTS,
  set: SETS,
  'log prefix': LOG_PREFIXES,
  interface: INTERFACES,
  resident: RESIDENTS,
} as const;

export type Mark = keyof typeof MARKS;

/** The program that is known by this name at such a place; undefined: nobody in particular. */
export function programOf(mark: Mark, name: string): string | undefined {
  return MARKS[mark].find(([pattern]) => pattern.test(name))?.[1];
}

/** Chains that a program makes for the rules of others: its name on them says nothing of the rules in them. */
const OPEN_HOUSES =
  /^(DOCKER-USER|CNI-ADMIN|(input|output|forwarding|prerouting|postrouting)_(lan_|wan_)?rule)$/;

export function isOpenHouse(chain: string): boolean {
  return OPEN_HOUSES.test(chain);
}
