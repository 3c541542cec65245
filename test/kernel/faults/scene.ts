// A server with moat and what is around it: an sshd, a closed port, clients, an admin.
import { readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Agent, type Connection, startAgent } from '../../../lab/agent.ts';
import { type Login, type LoginServer, logIn, startLoginServer } from '../../../lab/login.ts';
import { MOAT_PROGRAM, type Moat, moatOn } from '../../../lab/moat.ts';
import { createNetwork, type Network } from '../../../lab/network.ts';
import { eventually } from '../../../lab/waiting.ts';
import { commandLine } from '../way-backs.ts';

export interface Scene {
  readonly network: Network;
  readonly moat: Moat;
  /** Listens on 22, 80 and on 3306, which nothing opens. */
  readonly server: Agent;
  readonly outside: Agent;
  readonly third: Agent;
  /** An admin who stays logged in from outside; the first one starts a server for logins on port 22. */
  logIn(): Promise<void>;
  /** Ends all logins. */
  logOut(): Promise<void>;
  /** How many are logged in. */
  admins(): number;
  /** A flow from `third` to port 80, to be ended by what closes it. */
  flow(): Promise<Connection>;
  end(): Promise<void>;
}

/** The token of each clock that would take the way back, with the process that leads its group. */
export function clocksOf({ root }: Moat): { readonly pid: number; readonly token: string }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const words = commandLine(Number(name)).split('\0');
      const at = words.indexOf(`${root}/var/lib/moat/pending/back.sh`);
      return words[0] === 'sh' && at > 0 ? [{ pid: Number(name), token: words[at + 1]! }] : [];
    });
}

export async function createScene(): Promise<Scene> {
  const network = await createNetwork();
  const moat = await moatOn(network.server);
  const [server, outside, third] = await Promise.all(
    [network.server, network.outside, network.third].map((machine) => startAgent(machine)),
  );
  let unserve = await server!.serve(22);
  for (const port of [80, 3306]) await server!.serve(port);
  let logins: LoginServer | undefined;
  const admins: Login[] = [];
  return {
    ...{ network, moat, server: server!, outside: outside!, third: third! },
    logIn: async () => {
      if (logins === undefined) {
        await unserve();
        logins = await startLoginServer(network.server, {
          ...moat.env,
          PATH: `${dirname(MOAT_PROGRAM)}:${process.env['PATH']}`,
        });
      }
      const admin = await logIn(network.outside, network.server);
      admins.push(admin);
      // Somebody is logged in where a program runs.
      void admin.run('exec tail --pid=$PPID -f /dev/null');
      await admin.run('true');
    },
    admins: () => admins.length,
    logOut: async () => {
      for (const admin of admins.splice(0)) admin.close();
      if (logins === undefined) return;
      logins.stop();
      logins = undefined;
      // The port is free when the server for logins has ended.
      const taken = async (): Promise<boolean> => {
        try {
          unserve = await server!.serve(22);
          return true;
        } catch {
          return false;
        }
      };
      if (!(await eventually(5000, taken))) throw new Error('port 22 is still taken');
    },
    flow: () => third!.connect(network.server.addresses.v4, 80),
    end: async () => {
      for (const { pid } of clocksOf(moat)) endGroup(pid);
      for (const admin of admins) admin.close();
      logins?.stop();
      await Promise.all([server, outside, third].map((agent) => agent!.stop()));
      await network.destroy();
      await moat.destroy();
    },
  };
}

export function endGroup(leader: number): void {
  try {
    process.kill(-leader, 'SIGKILL');
  } catch {
    // It has ended.
  }
}
