// Published container: what Docker does to a machine for `-p 80:80`, done without Docker: bridge, namespace, its rules.
import { commandOutput } from './command.ts';
import { type Machine, machineAt } from './machine.ts';
import { addNamespace, ipBatch } from './network.ts';

const V4 = { address: '172.17.0.2', gateway: '172.17.0.1', prefix: '172.17.0.0/16' };
const V6 = { address: 'fd00:d0c::242:ac11:2', gateway: 'fd00:d0c::1', prefix: 'fd00:d0c::/64' };

/** Gives the server one container behind the bridge docker0; `port` of the server leads to the same port of it. */
export async function publishContainer(server: Machine, name: string, port: number): Promise<Machine> {
  const path = await addNamespace(name);
  const namespace = server.path.slice(server.path.lastIndexOf('/') + 1);
  await ipBatch([], [`link add eth0 netns ${name} type veth peer name veth0 netns ${namespace}`]);
  await ipBatch(
    ['-n', namespace],
    [
      'link add docker0 type bridge',
      `addr add ${V4.gateway}/16 dev docker0`,
      `addr add ${V6.gateway}/64 dev docker0 nodad`,
      'link set veth0 master docker0',
      'link set veth0 up',
      'link set docker0 up',
    ],
  );
  await ipBatch(
    ['-n', name],
    [
      'link set eth0 up',
      `addr add ${V4.address}/16 dev eth0`,
      `addr add ${V6.address}/64 dev eth0 nodad`,
      `route add default via ${V4.gateway}`,
      `route add default via ${V6.gateway}`,
    ],
  );
  await server.output('nft', ['-f', '-'], { input: rules('ip', V4, port) + rules('ip6', V6, port) });
  return machineAt(name, path, { v4: V4.address, v6: V6.address }, 'eth0');
}

/** Takes the container's namespace away; its rules and its bridge go with the server. */
export async function removeContainer(container: Machine): Promise<void> {
  await commandOutput('ip', ['netns', 'delete', container.name]);
}

/** The tables, chains and rules that Docker 20.10 makes through iptables-nft, in nft's words. */
const rules = (family: 'ip' | 'ip6', { address, prefix }: typeof V4, port: number): string => {
  const loopback = family === 'ip' ? '127.0.0.0/8' : '::1';
  const target = family === 'ip' ? `${address}:${port}` : `[${address}]:${port}`;
  return `
table ${family} nat {
  chain DOCKER {
    iifname "docker0" counter return
    iifname != "docker0" meta l4proto tcp tcp dport ${port} counter dnat to ${target}
  }
  chain PREROUTING {
    type nat hook prerouting priority dstnat; policy accept
    fib daddr type local counter jump DOCKER
  }
  chain OUTPUT {
    type nat hook output priority -100; policy accept
    ${family} daddr != ${loopback} fib daddr type local counter jump DOCKER
  }
  chain POSTROUTING {
    type nat hook postrouting priority srcnat; policy accept
    oifname != "docker0" ${family} saddr ${prefix} counter masquerade
  }
}
table ${family} filter {
  chain DOCKER {
    iifname != "docker0" oifname "docker0" ${family} daddr ${address} tcp dport ${port} counter accept
  }
  chain DOCKER-USER {
    counter return
  }
  chain FORWARD {
    type filter hook forward priority filter; policy drop
    counter jump DOCKER-USER
    oifname "docker0" ct state established,related counter accept
    oifname "docker0" counter jump DOCKER
    iifname "docker0" oifname != "docker0" counter accept
    iifname "docker0" oifname "docker0" counter accept
  }
}
`;
};
