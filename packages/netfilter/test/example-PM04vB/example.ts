import { readIptablesSave, whoCanReach } from '@moat/netfilter';

const { ruleset } = readIptablesSave(`
*nat
:PREROUTING ACCEPT [0:0]
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 172.17.0.2:80
COMMIT
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
-A INPUT -s 203.0.113.0/24 -p tcp --dport 3306 -j ACCEPT
-A FORWARD -d 172.17.0.2/32 -o docker0 -p tcp --dport 80 -j ACCEPT
COMMIT
`);

for (const port of [22, 80, 3306]) {
  const answers = whoCanReach(ruleset, { family: 'ipv4', protocol: 'tcp', port });
  if (answers.length === 0) console.log(`${port}: nobody`);
  for (const { to, from, certainty } of answers) {
    const sources = from.flatMap(({ sources }) => sources).join(', ');
    console.log(
      `${port}: ${sources} ${certainty} reach ${to === 'this host' ? to : 'what a rule sends it to'}`,
    );
  }
}
