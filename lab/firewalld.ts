// firewalld: Debian's own, in a room, with a message bus of its own.
import type { Room } from './room.ts';

/** firewalld at work. */
export type Firewalld = {
  /** Runs `firewall-cmd ARGS…`, which has to succeed. */
  cmd(...args: string[]): Promise<string>;
};

const BUS = 'unix:path=/run/dbus/bus';
const BUS_CONFIG = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
  "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>${BUS}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/> <allow own="*"/> <allow send_destination="*"/> <allow receive_sender="*"/>
  </policy>
</busconfig>
`;

/** Starts firewalld as it is after installation, but for the backend: zone public for all, ssh and dhcpv6-client in it. */
export async function startFirewalld(room: Room, backend: 'nftables' | 'iptables'): Promise<Firewalld> {
  const env = { DBUS_SYSTEM_BUS_ADDRESS: BUS };
  await room.output('sh', ['-ec', 'cat > /run/dbus/bus.conf'], { input: BUS_CONFIG });
  const setting = `s/^FirewallBackend=.*/FirewallBackend=${backend}/`;
  await room.output('sed', ['-i', setting, '/etc/firewalld/firewalld.conf']);
  await room.daemon(
    ['dbus-daemon', '--nofork', '--config-file=/run/dbus/bus.conf'],
    async () => (await room.run('test', ['-S', '/run/dbus/bus'])).code === 0,
  );
  await room.daemon(
    ['firewalld', '--nofork', '--nopid'],
    async () => (await room.run('firewall-cmd', ['--state'], { env, timeoutMs: 5000 })).code === 0,
    env,
  );
  return { cmd: (...args) => room.output('firewall-cmd', args, { env, timeoutMs: 20_000 }) };
}
