// Services that should not be open to the world, by the name of the process first and by the port second.
import type { ExposureProtocol, Reaches } from '@moat/netfilter';

export type Severity = 'high' | 'medium' | 'low';

export interface Service {
  readonly name: string;
  readonly severity: Severity;
  readonly why: string;
  /** What may stay: connections of known machines, all but at a limited rate, or nothing. */
  readonly keep: 'some' | 'limit' | 'nothing';
}

interface Kind extends Omit<Service, 'name'> {
  /** Names of processes (15 bytes at most), of images without registry and tag. */
  readonly names: readonly string[];
  readonly ports: readonly `${number}/${ExposureProtocol}`[];
  readonly title: string;
}

const database = (title: string, names: readonly string[], ports: Kind['ports'], why?: string): Kind => ({
  title,
  names,
  ports,
  severity: 'high',
  keep: 'some',
  why: why ?? 'a database: a password or a flaw in it is all that protects the data from everybody',
});

const NO_PASSWORD =
  'it asks for no password unless somebody set one; bots find it within hours and take or erase the data';

const KINDS: readonly Kind[] = [
  database('MySQL', ['mysqld', 'mariadbd', 'mysql', 'mariadb'], ['3306/tcp', '33060/tcp']),
  database('PostgreSQL', ['postgres', 'postmaster', 'pgbouncer'], ['5432/tcp', '6432/tcp']),
  database('Microsoft SQL Server', ['sqlservr', 'mssql-server'], ['1433/tcp', '1434/udp']),
  database('Oracle database', ['tnslsnr'], ['1521/tcp']),
  database('MongoDB', ['mongod', 'mongos', 'mongo'], ['27017/tcp', '27018/tcp'], NO_PASSWORD),
  database(
    'Redis',
    ['redis-server', 'redis', 'valkey-server', 'valkey', 'keydb-server'],
    ['6379/tcp'],
    NO_PASSWORD,
  ),
  database(
    'memcached',
    ['memcached'],
    ['11211/tcp', '11211/udp'],
    'it has no password; over udp it answers a byte with thousands, to whoever an attacker names',
  ),
  database('Elasticsearch', ['elasticsearch', 'opensearch'], ['9200/tcp', '9300/tcp'], NO_PASSWORD),
  database('CouchDB', ['couchdb', 'beam.smp'], ['5984/tcp']),
  database('Cassandra', ['cassandra'], ['9042/tcp', '7000/tcp'], NO_PASSWORD),
  database('ClickHouse', ['clickhouse-serv', 'clickhouse-server'], ['8123/tcp', '9000/tcp']),
  database('InfluxDB', ['influxd', 'influxdb'], ['8086/tcp']),
  database(
    'message broker',
    ['rabbitmq', 'rabbitmq-server', 'nats-server'],
    ['5672/tcp', '15672/tcp', '4222/tcp'],
    'whoever gets in reads and writes all messages',
  ),
  database('ZooKeeper', ['zookeeper'], ['2181/tcp'], NO_PASSWORD),
  database(
    'LDAP',
    ['slapd', 'ns-slapd', 'openldap'],
    ['389/tcp', '389/udp'],
    'the directory of all accounts; over udp it answers many times what it is asked',
  ),
  {
    title: 'Docker API',
    names: ['dockerd'],
    ports: ['2375/tcp', '2376/tcp', '2377/tcp'],
    severity: 'high',
    keep: 'nothing',
    why: 'whoever talks to the engine is root on this machine',
  },
  {
    title: 'kubelet',
    names: ['kubelet'],
    ports: ['10250/tcp', '10255/tcp'],
    severity: 'high',
    keep: 'some',
    why: 'it runs commands in every container of this machine',
  },
  {
    title: 'Kubernetes API',
    names: ['kube-apiserver'],
    ports: ['6443/tcp'],
    severity: 'medium',
    keep: 'some',
    why: 'the whole cluster hangs on its credentials',
  },
  {
    title: 'etcd',
    names: ['etcd'],
    ports: ['2379/tcp', '2380/tcp'],
    severity: 'high',
    keep: 'some',
    why: 'it holds all secrets of the cluster, often without a password',
  },
  {
    title: 'metrics',
    names: [
      'node_exporter',
      'prometheus',
      'cadvisor',
      'prometheus-node',
      'alertmanager',
      'netdata',
      'mysqld_exporter',
    ],
    ports: ['9100/tcp', '9090/tcp', '9093/tcp', '19999/tcp'],
    severity: 'medium',
    keep: 'some',
    why: 'it tells everybody what runs here, in which version and how loaded',
  },
  {
    title: 'SSH',
    names: ['sshd', 'sshd-session', 'dropbear'],
    ports: ['22/tcp'],
    severity: 'low',
    keep: 'limit',
    why: 'open to anywhere it is guessed at without end: keys instead of passwords, and a limit',
  },
  {
    title: 'telnet',
    names: ['telnetd', 'in.telnetd', 'utelnetd'],
    ports: ['23/tcp'],
    severity: 'high',
    keep: 'nothing',
    why: 'passwords go over the net as they are',
  },
  {
    title: 'FTP',
    names: ['vsftpd', 'proftpd', 'pure-ftpd'],
    ports: ['21/tcp'],
    severity: 'medium',
    keep: 'some',
    why: 'passwords go over the net as they are',
  },
  {
    title: 'rsh and rlogin',
    names: ['in.rshd', 'in.rlogind'],
    ports: ['512/tcp', '513/tcp', '514/tcp'],
    severity: 'high',
    keep: 'nothing',
    why: 'they trust whoever claims to be a known machine',
  },
  {
    title: 'remote desktop',
    names: ['xrdp', 'gnome-remote-de'],
    ports: ['3389/tcp'],
    severity: 'high',
    keep: 'some',
    why: 'a screen of this machine, guessed at without end',
  },
  {
    title: 'VNC',
    names: ['Xvnc', 'x11vnc', 'vncserver', 'Xtigervnc'],
    ports: ['5900/tcp', '5901/tcp'],
    severity: 'high',
    keep: 'some',
    why: 'a screen of this machine, with a password of eight letters at most',
  },
  {
    title: 'X11',
    names: ['Xorg'],
    ports: ['6000/tcp', '6001/tcp'],
    severity: 'high',
    keep: 'nothing',
    why: 'whoever connects sees and types everything',
  },
  {
    title: 'SMB',
    names: ['smbd', 'nmbd', 'samba'],
    ports: ['445/tcp', '139/tcp', '137/udp', '138/udp'],
    severity: 'high',
    keep: 'some',
    why: 'files of this machine, over a protocol with a history of worms',
  },
  {
    title: 'NFS',
    names: ['nfsd', 'rpc.nfsd', 'rpc.mountd'],
    ports: ['2049/tcp', '2049/udp', '20048/tcp'],
    severity: 'high',
    keep: 'some',
    why: 'it goes by addresses, not by passwords',
  },
  {
    title: 'rpcbind',
    names: ['rpcbind', 'portmap'],
    ports: ['111/tcp', '111/udp'],
    severity: 'medium',
    keep: 'some',
    why: 'it tells what runs here, and answers more than it is asked, to whoever an attacker names',
  },
  {
    title: 'rsync',
    names: ['rsync'],
    ports: ['873/tcp'],
    severity: 'medium',
    keep: 'some',
    why: 'files of this machine, often without a password',
  },
  {
    title: 'mail relay',
    names: ['exim4', 'sendmail', 'postfix'],
    ports: ['25/tcp'],
    severity: 'low',
    keep: 'some',
    why: 'wanted on a mail server alone; one that relays for everybody is abused at once',
  },
  {
    title: 'BGP',
    names: ['bgpd', 'bird', 'gobgpd'],
    ports: ['179/tcp'],
    severity: 'medium',
    keep: 'some',
    why: 'only neighbours of a router have business there',
  },
  {
    title: 'IPMI',
    names: ['ipmid'],
    ports: ['623/udp'],
    severity: 'high',
    keep: 'nothing',
    why: 'it gives hashes of its passwords to whoever asks, and controls the hardware',
  },
  {
    title: 'DNS',
    names: ['named', 'unbound', 'dnsmasq', 'pdns_recursor', 'systemd-resolve', 'coredns'],
    ports: ['53/udp', '53/tcp'],
    severity: 'medium',
    keep: 'some',
    why: 'a resolver that answers everybody is used to flood others',
  },
  {
    title: 'NTP',
    names: ['ntpd', 'chronyd', 'systemd-timesyn'],
    ports: ['123/udp'],
    severity: 'low',
    keep: 'some',
    why: 'old ones answer many times what they are asked, to whoever an attacker names',
  },
  {
    title: 'SNMP',
    names: ['snmpd'],
    ports: ['161/udp'],
    severity: 'high',
    keep: 'some',
    why: 'it tells, and may change, how the machine is set up, for a password that is often `public`',
  },
  {
    title: 'SSDP',
    names: ['minissdpd', 'miniupnpd', 'minidlnad'],
    ports: ['1900/udp'],
    severity: 'medium',
    keep: 'nothing',
    why: 'it answers many times what it is asked, to whoever an attacker names',
  },
  {
    title: 'mDNS',
    names: ['avahi-daemon'],
    ports: ['5353/udp'],
    severity: 'medium',
    keep: 'nothing',
    why: 'it tells everybody the name and services of this machine; meant for one link',
  },
  {
    title: 'CUPS',
    names: ['cupsd', 'cups-browsed'],
    ports: ['631/tcp', '631/udp'],
    severity: 'medium',
    keep: 'some',
    why: "printing is for one's own network",
  },
  {
    title: 'Jupyter',
    names: ['jupyter-lab', 'jupyter-noteboo', 'jupyter'],
    ports: ['8888/tcp'],
    severity: 'high',
    keep: 'some',
    why: 'whoever gets in runs any program',
  },
  {
    title: 'debugger',
    names: ['gdbserver'],
    ports: ['9229/tcp', '5005/tcp'],
    severity: 'high',
    keep: 'nothing',
    why: 'whoever connects runs any program',
  },
];

/** undefined: nothing to say about it. Two processes on one port are the same service; a known name goes before the port. */
export function serviceOf(reaches: Reaches, proto: ExposureProtocol, port: number): Service | undefined {
  const names = namesOf(reaches);
  const ofPort = innerPort(reaches) ?? port;
  const kind =
    KINDS.find((each) => each.names.some((name) => names.includes(name))) ??
    // A web server on a database's port is no database.
    (names.some((name) => WEB.has(name))
      ? undefined
      : KINDS.find(({ ports }) => ports.includes(`${ofPort}/${proto}`)));
  if (kind === undefined) return undefined;
  const { title, severity, why, keep } = kind;
  return { name: title, severity, why, keep };
}

/** The port behind a translation. */
function innerPort(reaches: Reaches): number | undefined {
  if (reaches.kind === 'container') return reaches.port;
  return reaches.kind === 'none' ? reaches.forwardedTo?.port : undefined;
}

const WEB: ReadonlySet<string> = new Set([
  'nginx',
  'apache2',
  'httpd',
  'caddy',
  'haproxy',
  'traefik',
  'lighttpd',
]);

function namesOf(reaches: Reaches): readonly string[] {
  switch (reaches.kind) {
    case 'process':
      return reaches.name === undefined ? [] : [reaches.name];
    case 'container':
      return reaches.image === undefined ? [] : [reaches.image.replace(/^.*\//, '').replace(/[:@].*$/, '')];
    case 'none':
      return [];
    default:
      return reaches satisfies never;
  }
}
