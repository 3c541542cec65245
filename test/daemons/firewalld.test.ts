// moat audit against a real firewalld: zones, rich rules, sets and forwarded ports, each against dials.
import { afterEach, expect, test } from 'vitest';
import { startFirewalld } from '../../lab/firewalld.ts';
import { type AuditedServer, auditedServer, toldOpen } from './audited-server.ts';

let server: AuditedServer;

afterEach(() => server?.destroy());

const PORTS = [22, 80, 3306, 2222];
const EVERYBODY = ['blog', 'outside', 'third'];

/** What `firewall-cmd --permanent` would write: ssh and http, mysql for blog, a forwarded port, and a set of strangers. */
const FILES = {
  'zones/public.xml': `<zone><service name="ssh"/><service name="http"/>
    <rule family="ipv4"><source address="203.0.113.7"/><port port="3306" protocol="tcp"/><accept/></rule>
    <forward-port port="2222" protocol="tcp" to-port="22"/></zone>`,
  'zones/drop.xml': '<zone target="DROP"><source ipset="strangers"/></zone>',
  'ipsets/strangers.xml': '<ipset type="hash:net"><entry>198.51.100.0/24</entry></ipset>',
};

async function configure(): Promise<void> {
  for (const [name, text] of Object.entries(FILES))
    await server.room.output('sh', ['-ec', 'cat > "/etc/firewalld/$0"', name], { input: text });
}

async function compare() {
  const { exposures } = await server.audit();
  const found = await server.dialled(PORTS);
  expect(toldOpen(server.network, exposures, PORTS).sort()).toEqual(found.sort());
  return { exposures, found };
}

async function compareConfigured(): Promise<void> {
  const { exposures, found } = await compare();
  expect(found).toContain('blog ipv4 3306');
  expect(found).not.toContain('third ipv4 3306');
  expect(found).toContain('third ipv4 2222');
  expect(found).not.toContain('outside ipv4 22');
  expect(found).toContain('outside ipv6 80');
  const [forwarded] = exposures.filter(({ port, family }) => port === 2222 && family === 'ipv4');
  expect(forwarded?.reaches).toMatchObject({ kind: 'process', name: 'mysqld' });
  expect(forwarded?.openedBy.map(({ owner }) => owner)).toContain('firewalld');
}

test('as installed, and after a reload with rich rules, a set and a forwarded port', async () => {
  server = await auditedServer();
  const { cmd } = await startFirewalld(server.room, 'nftables');
  const { exposures, found } = await compare();
  expect(found).toEqual(EVERYBODY.flatMap((name) => [`${name} ipv4 22`, `${name} ipv6 22`]));
  const [ssh] = exposures.filter(({ port, family }) => port === 22 && family === 'ipv4');
  expect(ssh).toMatchObject({
    reaches: { kind: 'process', name: 'mysqld' },
    openedBy: [{ owner: 'firewalld', chain: 'filter_IN_public_allow' }],
  });
  await configure();
  await cmd('--reload');
  await compareConfigured();
});

test('with iptables and a set of ipset behind it', async () => {
  server = await auditedServer();
  await configure();
  await startFirewalld(server.room, 'iptables');
  expect(await server.room.output('ipset', ['save'])).toContain('add strangers 198.51.100.0/24');
  await compareConfigured();
});
