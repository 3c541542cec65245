// Subjects: a server for each firewall that is compared, loaded once, so that rounds need not load anything.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { commandOutput } from '../lab/command.ts';
import { type Machine, machineAt } from '../lab/machine.ts';
import { type Moat, moatOn } from '../lab/moat.ts';
import { addNamespace, ipBatch } from '../lab/network.ts';
import { startUfw, type Ufw } from '../lab/ufw.ts';
import { benchRules, ufwRules } from './rules.ts';

/** A server, and the other end of its only cable in the namespace where packets are made. */
export type Server = { readonly machine: Machine; readonly cable: string };

const ADDRESS = { v4: '203.0.113.10', v6: '2001:db8:5::10' } as const;
/** All servers have this one, for each is alone on its cable. */
export const SERVER_MAC = '02:00:00:00:00:01';
const GATEWAY = { v4: '203.0.113.1', v6: '2001:db8:5::1' } as const;

/** The namespace that packets come from. To be made before the servers. */
export async function createSource(): Promise<Machine> {
  return machineAt('bench-source', await addNamespace('bench-source'), GATEWAY, 'lo');
}

/** Removes the source and all servers; /run, where they are listed, is this benchmark's own. */
export async function removeServers(): Promise<void> {
  await commandOutput('ip', ['-all', 'netns', 'delete']);
}

/** All servers have the same addresses; each has a cable of its own. 10.0.0.0/8 lies behind that cable. */
export async function createServer(name: string, number: number): Promise<Server> {
  const path = await addNamespace(name);
  const cable = `to${number}`;
  await ipBatch(
    [],
    [`link add eth0 address ${SERVER_MAC} netns ${name} type veth peer name ${cable} netns bench-source`],
  );
  await ipBatch(
    ['-n', name],
    [
      'link set eth0 up',
      `addr add ${ADDRESS.v4}/24 dev eth0`,
      `addr add ${ADDRESS.v6}/64 dev eth0 nodad`,
      `route add default via ${GATEWAY.v4}`,
      `neigh add ${GATEWAY.v4} lladdr 02:00:00:00:00:00 dev eth0`,
    ],
  );
  await ipBatch(['-n', 'bench-source'], [`link set ${cable} up`]);
  return { machine: machineAt(name, path, ADDRESS, 'eth0'), cable };
}

/** moat on the server, enabled with this policy file. */
export async function enableMoat({ machine }: Server, policy: string): Promise<Moat> {
  const moat = await moatOn(machine);
  await mkdir(dirname(moat.policy), { recursive: true });
  await writeFile(moat.policy, policy, { mode: 0o600 });
  await moat.ok('enable', '--confirm', '0');
  return moat;
}

/** ufw on the server, enabled with so many rules. */
export async function enableUfw({ machine }: Server, count: number): Promise<Ufw> {
  const ufw = await startUfw(machine);
  const rules = benchRules(count);
  for (const [file, family] of [['user.rules', 'v4'] as const, ['user6.rules', 'v6'] as const]) {
    const path = join(ufw.etc, file);
    await writeFile(path, ufwRules(rules, family, await readFile(path, 'utf8')));
  }
  const enabled = await ufw.ufw(['--force', 'enable']);
  if (enabled.code !== 0) throw new Error(`ufw enable: ${enabled.stdout}${enabled.stderr}`);
  return ufw;
}
