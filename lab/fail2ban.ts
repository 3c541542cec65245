// fail2ban: Debian's own, in a room, reading a log file that tests write to.
import type { Room } from './room.ts';
import { eventually } from './waiting.ts';

/** fail2ban at work. */
export type Fail2ban = {
  /** Lets machines fail to log in, and waits until every jail has banned them all. */
  provoke(...addresses: string[]): Promise<void>;
};

/** The port that a jail closes, and the file in /etc/fail2ban/action.d that says how. */
export type Jail = { readonly port: number; readonly action: string };

const LOG = '/var/log/auth.log';

/** Starts it with jails of these alone, all for failed logins at sshd. */
export async function startFail2ban(room: Room, jails: readonly Jail[]): Promise<Fail2ban> {
  const names = jails.map(({ port }) => `port-${port}`);
  const sections = jails.map(({ port, action }) =>
    [
      ...[`[port-${port}]`, 'enabled = true', 'filter = sshd', `port = ${port}`, `banaction = ${action}`],
      ...['backend = polling', `logpath = ${LOG}`, ''],
    ].join('\n'),
  );
  const place = `mkdir -p /run/fail2ban; rm -f /etc/fail2ban/jail.d/*; : > ${LOG}; cat > /etc/fail2ban/jail.local`;
  await room.output('sh', ['-ec', place], { input: sections.join('\n') });
  const client = (...args: string[]) => room.run('fail2ban-client', args);
  await room.daemon(
    ['fail2ban-server', '-f', '--logtarget', 'STDOUT', 'start'],
    async () => (await client('status', names.at(-1)!)).code === 0,
  );
  return {
    provoke: async (...addresses) => {
      // A process of its own for each: lines of one process count for the address that it was first seen with.
      const lines = addresses.map(
        (address, n) =>
          `$(date '+%b %d %H:%M:%S') server sshd[${1000 + n}]: Failed password for root from ${address} port 40001 ssh2`,
      );
      const command = `for n in 1 2 3 4 5; do printf '%s\\n' ${lines.map((line) => `"${line}"`).join(' ')}; done >> ${LOG}`;
      await room.output('sh', ['-ec', command]);
      const count = jails.length * addresses.length;
      let told = '';
      const done = await eventually(30_000, async () => {
        // [{'port-22': ['192.0.2.1', …]}, …]
        told = (await client('banned')).stdout;
        return addresses.flatMap((address) => told.split(`'${address}'`).slice(1)).length === count;
      });
      if (!done) throw new Error(`fail2ban banned only ${told}`);
    },
  };
}
