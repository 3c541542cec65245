// Service names: what /etc/services says (services(5)), and the few that always have a meaning.

export interface ServicePort {
  readonly port: number;
  readonly protocol: 'tcp' | 'udp';
}

/** At most one tcp and one udp port for a name; names of ports are keyed `80/tcp`. */
export interface Services {
  readonly byName: ReadonlyMap<string, readonly ServicePort[]>;
  readonly byPort: ReadonlyMap<string, string>;
}

// Where both protocols are assigned to a name (RFC 6335 registry), only those in real use are listed.
const BUILT_IN = `
ftp 21/tcp
ssh 22/tcp
telnet 23/tcp
smtp 25/tcp mail
domain 53/tcp
domain 53/udp
tftp 69/udp
http 80/tcp www
pop3 110/tcp
ntp 123/udp
imap2 143/tcp imap
snmp 161/udp
ldap 389/tcp
https 443/tcp
https 443/udp
submissions 465/tcp smtps
syslog 514/udp
submission 587/tcp
ldaps 636/tcp
imaps 993/tcp
pop3s 995/tcp
openvpn 1194/udp
nfs 2049/tcp
mysql 3306/tcp
postgresql 5432/tcp
amqp 5672/tcp
redis 6379/tcp
http-alt 8080/tcp
`;

function readInto(text: string, byName: Map<string, ServicePort[]>, byPort: Map<string, string>): void {
  const fromEarlier = new Set(byName.keys());
  for (const line of text.split('\n')) {
    const [name, assignment, ...aliases] = line.replace(/#.*/, '').trim().split(/\s+/);
    const match = /^([0-9]{1,5})\/(tcp|udp)$/.exec(assignment ?? '');
    if (name === undefined || match === null) continue;
    const port = Number(match[1]);
    const protocol = match[2] === 'tcp' ? 'tcp' : 'udp';
    if (port < 1 || port > 65535) continue;
    const key = `${port}/${protocol}`;
    if (!byPort.has(key)) byPort.set(key, name);
    for (const known of [name, ...aliases]) {
      if (fromEarlier.has(known)) continue;
      const ports = byName.get(known) ?? [];
      if (!ports.some((other) => other.protocol === protocol))
        byName.set(known, [...ports, { port, protocol }]);
    }
  }
}

/**
 * Reads a services(5) file. As with getservbyname(3), the first line that gives a name or alias a port of a
 * protocol counts. Protocols other than tcp and udp, and malformed lines, are passed over. Names that the text
 * lacks and that moat knows are added, so an empty text (a minimal system has no such file) gives those alone.
 */
export function parseServices(text: string): Services {
  const byName = new Map<string, ServicePort[]>();
  const byPort = new Map<string, string>();
  readInto(text, byName, byPort);
  readInto(BUILT_IN, byName, byPort);
  return { byName, byPort };
}

/** The name of a port, if it has one. */
export function serviceName(services: Services, port: number, protocol: 'tcp' | 'udp'): string | undefined {
  return services.byPort.get(`${port}/${protocol}`);
}
