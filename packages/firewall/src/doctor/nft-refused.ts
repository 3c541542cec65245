// nft that is not there, or that the kernel refuses to serve: mostly in containers.
import type { Facts } from './facts.ts';
import type { Finding } from './finding.ts';

export function nftRefused({ machine }: Facts): Finding[] {
  if (machine === undefined) return [];
  const { nft, container } = machine;
  if (nft.kind === 'works') return [];
  const finding = { id: 'nft-refused', severity: 'high' } as const;
  if (nft.kind === 'missing') {
    const why = 'without it no rule can be loaded, now or at boot';
    return [{ ...finding, what: 'nft is not installed', why, mend: ['apt install nftables'] }];
  }
  const where = container === undefined ? '' : ` in this container (${container})`;
  return [
    {
      ...finding,
      what: `the kernel refuses nft${where}: ${nft.why}`,
      why: 'no rule can be loaded or even read from here; what is open is decided outside',
      mend: remedies(container),
    },
  ];
}

/** In containers what helps is said to whoever runs them, on the machine around. */
function remedies(container: string | undefined): readonly string[] {
  switch (container) {
    case undefined:
      return ['modprobe nf_tables'];
    case 'lxc':
    case 'lxc-libvirt':
      return [
        'modprobe nf_tables  # on the machine around',
        'lxc config set NAME security.nesting true  # there as well; Proxmox: pct set ID --features nesting=1',
      ];
    case 'docker':
    case 'podman':
      return [`${container} run --cap-add NET_ADMIN …  # on the machine around`];
    default:
      return ['modprobe nf_tables  # on the machine around, and let the container have CAP_NET_ADMIN'];
  }
}
