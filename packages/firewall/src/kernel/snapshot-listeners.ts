// What answers on each port of the machine in a snapshot: as `readListeners` has it of this machine.
import { type Address, parseAddress, type Snapshot } from '@moat/netfilter';
import type { Docker } from './docker.ts';
import { type Forward, parseNftForwards, parseSavedForwards } from './forwards.ts';
import { joinListeners, type Listeners } from './listeners.ts';
import type { Process } from './processes.ts';
import { SOME_PROCESSES } from './snapshot.ts';
import type { OpenSocket } from './sockets.ts';

/** A pure function of the snapshot. */
export function snapshotListeners(snapshot: Snapshot): Listeners {
  const owners = new Map<number, readonly Process[]>();
  const sockets = (snapshot.sockets ?? []).map((socket, i): OpenSocket => {
    const inode = i + 1;
    owners.set(inode, socket.processes.map(process));
    const { protocol, families, port, uid } = socket;
    return {
      kind: 'open',
      protocol,
      families,
      local: { address: addressOf(socket.address), port },
      inode,
      uid,
    };
  });
  const complete = !snapshot.missing.some(({ what }) => what === SOME_PROCESSES);
  const owned = { owners, complete };
  return { listeners: joinListeners(sockets, owned, engine(snapshot), forwards(snapshot)), complete };
}

function process({ pid, name, args, unit, container }: ProcessOf): Process {
  return { pid, parent: 0, name, args, unit, container };
}

type ProcessOf = NonNullable<Snapshot['sockets']>[number]['processes'][number];

function engine({ containers = [], networks = [] }: Snapshot): Docker {
  return {
    kind: 'engine',
    version: '',
    networks,
    containers: containers.map((container) => ({
      ...container,
      networks: container.networks.map(({ name, addresses }) => ({
        name,
        addresses: addresses.map(addressOf),
      })),
      ports: container.ports.map(({ protocol, address, port, containerPort }) => ({
        protocol,
        hostAddress: addressOf(address),
        hostPort: port,
        containerPort,
      })),
    })),
  };
}

function forwards({ rulesets }: Snapshot): Forward[] {
  const { nft, iptables = '', ip6tables = '', iptablesLegacy = '', ip6tablesLegacy = '' } = rulesets;
  return [
    ...(nft === undefined ? [] : parseNftForwards(nft as Parameters<typeof parseNftForwards>[0])),
    ...[iptables, iptablesLegacy].flatMap((text) => parseSavedForwards(text, 'ipv4')),
    ...[ip6tables, ip6tablesLegacy].flatMap((text) => parseSavedForwards(text, 'ipv6')),
  ];
}

/** Snapshots come from `readSnapshot` or from this program. */
function addressOf(text: string): Address {
  const address = parseAddress(text);
  if (address === undefined) throw new Error(`not an address in a snapshot: ${text}`);
  return address;
}
