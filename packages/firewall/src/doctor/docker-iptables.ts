// Docker that was told to leave the packet filter alone, which costs more than it gives.
import type { Facts } from './facts.ts';
import type { Finding } from './finding.ts';

export function dockerIptables({ machine }: Facts): Finding[] {
  const disabled = machine?.dockerIptables;
  if (disabled === undefined) return [];
  const where =
    disabled.by === 'file' ? `in ${disabled.file}` : `on dockerd's command line (pid ${disabled.pid})`;
  return [
    {
      id: 'docker-iptables',
      severity: 'medium',
      what: `Docker runs with iptables switched off (${where})`,
      why:
        'containers have no way out (no masquerade), and see the address of the bridge in the place of their clients; ' +
        'moat closes published ports without it',
      mend: [
        disabled.by === 'file'
          ? `sed -i 's/"iptables" *: *false/"iptables": true/' ${disabled.file}`
          : 'systemctl edit docker  # and take --iptables=false out of ExecStart',
        'systemctl restart docker',
      ],
    },
  ];
}
