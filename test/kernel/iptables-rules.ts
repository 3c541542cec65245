// Rules with every extension of iptables that real rulesets use, as iptables-restore takes them.

/** One rule a line, each in its own words; `{4}` and `{6}` at the start: for that family only. */
const FILTER_RULES = `
-s 192.0.2.0/24 -d 198.51.100.7/32 -i eth0 -p tcp -m tcp --dport 22 -j ACCEPT {4}
! -s 2001:db8::/32 -i eth+ -p tcp -m tcp ! --dport 22 -j ACCEPT {6}
! -s 192.0.2.0/24 ! -i eth+ -p udp -m udp ! --sport 1:100 -j DROP {4}
-s 10.0.1.0/255.0.255.0 -j DROP {4}
-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j DROP
-p tcp -m tcp --tcp-flags FIN,SYN,RST,PSH,ACK,URG NONE -j DROP
-p tcp -m tcp ! --tcp-flags ACK ACK -j DROP
-p tcp -m tcp --tcp-option 8 -j DROP
-p tcp -m tcp --dport 0:1023 -j DROP
-p tcp -m tcp --sport 1024:65535 --dport 8080 -j ACCEPT
-p tcp -m tcp ! --sport 1024:65535 -j ACCEPT
-p udp -m udp --sport 0:65535 -j ACCEPT
-p sctp -m sctp --dport 5000 -j ACCEPT
-p icmp -m icmp --icmp-type 8 -j ACCEPT {4}
-p icmp -m icmp --icmp-type 3/4 -j ACCEPT {4}
-p ipv6-icmp -m icmp6 --icmpv6-type 135 -j ACCEPT {6}
-p icmp -m limit --limit 3/min -j ACCEPT
-m limit --limit 100/sec --limit-burst 50 -j LOG --log-prefix "[block] "
-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-m conntrack ! --ctstate INVALID -j ACCEPT
-m conntrack --ctstate NEW,DNAT -j ACCEPT
-p udp -m conntrack --ctorigdstport 53 --ctproto 17 -j ACCEPT
-m conntrack --ctorigdst 192.0.2.9 --ctdir ORIGINAL -j ACCEPT {4}
-m conntrack --ctstatus ASSURED -j ACCEPT
-m state --state NEW -j ACCEPT
-m mark --mark 0x1/0xff -j ACCEPT
-m mark ! --mark 0x1 -j ACCEPT
-m connmark --mark 0x2 -j ACCEPT
-f -j DROP {4}
-p tcp -m multiport --dports 22,80:90,443 -j ACCEPT
-p tcp -m multiport ! --ports 1,2 -j ACCEPT
-m comment --comment "two words" -j ACCEPT
-j REJECT
-p tcp -j REJECT --reject-with tcp-reset
-j REJECT --reject-with icmp-host-prohibited {4}
-j REJECT --reject-with icmp6-adm-prohibited {6}
-j LOG --log-prefix short --log-level 7 --log-uid
-j NFLOG --nflog-prefix moat --nflog-group 3
-p tcp -g USER
-j USER
-p tcp
-j RETURN
-m ttl --ttl-eq 3 -j DROP {4}
-m hl --hl-eq 255 -j ACCEPT {6}
-m pkttype --pkt-type multicast -j DROP
-m mac --mac-source 00:00:5e:00:53:01 -j ACCEPT
-m iprange --src-range 192.0.2.1-192.0.2.9 -j ACCEPT {4}
-m dscp --dscp 0x0a -j ACCEPT
-m tos --tos 0x10/0x3f -j ACCEPT
-m length --length 1:500 -j ACCEPT
-m addrtype --dst-type LOCAL -j ACCEPT
-m addrtype ! --src-type LOCAL,MULTICAST --limit-iface-in -j DROP {4}
-m recent --set --name seen --rsource
-m recent --update --seconds 60 --hitcount 4 --name seen --rsource -j DROP
-p tcp -m connlimit --connlimit-above 20 -j DROP
-m hashlimit --hashlimit-upto 5/sec --hashlimit-burst 5 --hashlimit-mode srcip --hashlimit-name h -j ACCEPT
-m statistic --mode random --probability 0.5 -j DROP
-m time --timestart 08:00 --timestop 17:00 -j ACCEPT
-m string --algo bm --string "bad word" -j DROP
-m u32 --u32 "0x0>>0x16=0x1" -j DROP
-m helper --helper ftp -j ACCEPT
-m policy --dir in --pol ipsec -j ACCEPT
-m physdev --physdev-in eth0 --physdev-is-bridged -j ACCEPT
-m rt --rt-type 0 -j DROP {6}
-p esp -m esp --espspi 1:5 -j ACCEPT
-m quota --quota 1000 -j ACCEPT
-p 47 -j ACCEPT
! -p tcp -j DROP
-m conntrack --ctstate NEW -m recent --rcheck --seconds 60 --name seen --rsource -m comment --comment x -j DROP
-j NFQUEUE --queue-num 2 --queue-bypass
`;

/** `CHAIN RULE` a line. */
const OUTPUT_RULES = `
-m owner --uid-owner 0 -j ACCEPT
-m owner ! --uid-owner 1000 ! --gid-owner 5 -j DROP
-o lo -j ACCEPT
`;

const NAT_RULES = `
PREROUTING -p tcp -m tcp --dport 80 -j DNAT --to-destination 192.0.2.9:8080 {4}
PREROUTING -p tcp -m tcp --dport 80 -j DNAT --to-destination [2001:db8::9]:8080 {6}
PREROUTING -i br0 -p tcp -j REDIRECT --to-ports 3128
PREROUTING -d 192.0.2.0/24 -j NETMAP --to 198.51.100.0/24 {4}
POSTROUTING -o eth0 -j MASQUERADE
POSTROUTING -s 192.0.2.0/24 -o eth1 -p udp -j MASQUERADE --to-ports 1024-65535 --random {4}
POSTROUTING -o eth2 -j SNAT --to-source 192.0.2.1-192.0.2.5 --persistent {4}
`;

const MANGLE_RULES = `
PREROUTING -j MARK --set-xmark 0x3/0xff
PREROUTING -j CONNMARK --restore-mark --nfmask 0xff --ctmask 0xff
PREROUTING -j CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff
PREROUTING -p tcp -j TPROXY --on-port 5000 --on-ip 127.0.0.1 --tproxy-mark 0x1/0x1 {4}
FORWARD -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu
FORWARD -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 1350
POSTROUTING -p udp -m udp --dport 68 -j CHECKSUM --checksum-fill
POSTROUTING -j DSCP --set-dscp 0x08
POSTROUTING -j CLASSIFY --set-class 0001:0002
`;

const RAW_RULES = `
PREROUTING -m rpfilter --invert -j DROP
PREROUTING -p tcp -m tcp --dport 21 -j CT --helper ftp
PREROUTING -i lo -j CT --notrack
OUTPUT -o lo -j NOTRACK
OUTPUT -j CT --zone 3
PREROUTING -j TRACE
`;

/** The text for iptables-restore or ip6tables-restore. */
export function restoreText(family: 'ip' | 'ip6'): string {
  const mine = family === 'ip' ? '{4}' : '{6}';
  const lines = (rules: string, chain = ''): string[] =>
    rules
      .trim()
      .split('\n')
      .filter((line) => !/\{[46]\}$/.test(line) || line.endsWith(mine))
      .map((line) => `-A ${chain}${line.replace(/ \{[46]\}$/, '')}`)
      .map((line) => (family === 'ip6' ? line.replace('-p icmp -m limit', '-p ipv6-icmp -m limit') : line));
  return [
    ...[
      '*filter',
      ':USER - [0:0]',
      ...lines(FILTER_RULES, 'INPUT '),
      ...lines(OUTPUT_RULES, 'OUTPUT '),
      'COMMIT',
    ],
    ...['*nat', ...lines(NAT_RULES), 'COMMIT'],
    ...['*mangle', ...lines(MANGLE_RULES), 'COMMIT'],
    ...['*raw', ...lines(RAW_RULES), 'COMMIT'],
    '',
  ].join('\n');
}
