// libvirt: Debian's own network driver, in a room, and machines at its bridges in the place of guests.
import { type Machine, machineAt } from './machine.ts';
import { addNamespace, ipBatch } from './network.ts';
import type { Room } from './room.ts';

/** libvirtd at work. */
export type Libvirt = {
  /** Runs `virsh ARGS…`, which has to succeed. */
  virsh(...args: string[]): Promise<string>;
  /** Defines a network from its XML and starts it. */
  network(xml: string): Promise<void>;
  /** A machine at a bridge, as a guest's tap would be; `v4` and `v6` are its addresses, with the bridge's in front. */
  guest(name: string, bridge: string, v4: GuestAddress, v6?: GuestAddress): Promise<Machine>;
};

/** `gateway` is the bridge's own address. */
export type GuestAddress = {
  readonly address: string;
  readonly length: number;
  readonly gateway: string;
};

/** The user that libvirt-daemon-system makes for guests. Without it libvirtd ends at once, though no guest runs. */
const USER = `
echo 'libvirt-qemu:x:64055:64055::/var/lib/libvirt:/bin/false' >> /etc/passwd
echo 'libvirt-qemu:x:64055:' >> /etc/group
`;

/** Starts libvirtd; the network `default` is defined, as after installation, and does not run yet. */
export async function startLibvirt(room: Room): Promise<Libvirt> {
  const virsh = (...args: string[]) =>
    room.output('virsh', ['--connect', 'network:///system', ...args], { timeoutMs: 20_000 });
  await room.output('sh', ['-ec', USER]);
  await room.daemon(
    ['libvirtd'],
    async () => (await room.run('virsh', ['--connect', 'network:///system', 'net-list'])).code === 0,
  );
  return {
    virsh,
    network: async (xml) => {
      await room.output('sh', ['-ec', 'cat > /run/network.xml'], { input: xml });
      await virsh('net-create', '/run/network.xml');
    },
    guest: async (name, bridge, v4, v6) => {
      const path = await addNamespace(name);
      const server = room.path.slice(room.path.lastIndexOf('/') + 1);
      await ipBatch([], [`link add eth0 netns ${name} type veth peer name ${name} netns ${server}`]);
      await ipBatch(['-n', server], [`link set ${name} master ${bridge}`, `link set ${name} up`]);
      const addresses = v6 === undefined ? [v4] : [v4, v6];
      await ipBatch(
        ['-n', name],
        [
          'link set eth0 up',
          ...addresses.map(({ address, length }) => `addr add ${address}/${length} dev eth0`),
          ...addresses.map(({ gateway }) => `route add default via ${gateway}`),
        ],
      );
      return machineAt(name, path, { v4: v4.address, v6: v6?.address ?? '' }, 'eth0');
    },
  };
}
