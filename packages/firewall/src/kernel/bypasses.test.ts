import { expect, test } from 'vitest';
import { parseBpfNet, parseIpvs, parseTcFilters } from './bypasses.ts';
import { parseHostLinks } from './host-links.ts';

test('an XDP program is seen at its interface', () => {
  const link = { ifindex: 2, flags: ['UP'], addr_info: [] };
  const json = JSON.stringify([
    { ...link, ifname: 'eth0', xdp: { mode: 1, prog: { id: 12, tag: 'ab', jited: 1 } } },
    { ...link, ifname: 'eth1' },
  ]);
  expect(parseHostLinks(json).xdp).toEqual([{ device: 'eth0', program: 12 }]);
});

test('filters of tc, each kind once', () => {
  const filter = (options: object) => ({ protocol: 'all', pref: 1, kind: 'bpf', chain: 0, options });
  const json = JSON.stringify([
    { protocol: 'all', pref: 1, kind: 'bpf', chain: 0 },
    filter({ handle: '0x1', bpf_name: 'cil_from_netdev', prog: { id: 5 } }),
    filter({ handle: '0x2', bpf_name: 'cil_from_netdev', prog: { id: 6 } }),
    { kind: 'matchall', options: { actions: [{ kind: 'gact', control_action: { type: 'drop' } }] } },
  ]);
  expect(parseTcFilters(json, 'eth0', 'ingress')).toEqual([
    { kind: 'tc', device: 'eth0', detail: 'ingress: bpf, cil_from_netdev' },
    { kind: 'tc', device: 'eth0', detail: 'ingress: matchall, gact drop' },
  ]);
});

test('programs that only bpftool tells of; those that tc and ip tell of are not told twice', () => {
  const json = JSON.stringify([
    {
      xdp: [{ devname: 'eth0', ifindex: 2, mode: 'driver', id: 1 }],
      tc: [
        { devname: 'eth0', ifindex: 2, kind: 'tcx/ingress', name: 'guard', prog_id: 7 },
        { devname: 'eth0', ifindex: 2, kind: 'clsact/ingress', name: 'old', id: 8 },
      ],
      flow_dissector: [],
      netfilter: [{ id: 3, prog_id: 9 }],
    },
  ]);
  expect(parseBpfNet(json)).toEqual([
    { kind: 'tc', device: 'eth0', detail: 'tcx/ingress, guard, program 7' },
    { kind: 'netfilter program', detail: 'program 9' },
  ]);
});

test('virtual services of IPVS', () => {
  const text = [
    'IP Virtual Server version 1.2.1 (size=4096)',
    'Prot LocalAddress:Port Scheduler Flags',
    '  -> RemoteAddress:Port Forward Weight ActiveConn InActConn',
    'TCP  C0000201:0050 rr  ',
    '  -> 0A000002:1F90      Masq    1      0          0',
    'UDP  [2001:0db8:0000:0000:0000:0000:0000:0001]:0035 wlc',
    'FWM  00000010 rr',
  ].join('\n');
  expect(parseIpvs(text).map(({ detail }) => detail)).toEqual([
    'tcp 192.0.2.1:80',
    'udp [2001:0db8:0000:0000:0000:0000:0000:0001]:53',
    'mark 16',
  ]);
});
