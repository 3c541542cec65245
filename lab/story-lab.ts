// Story lab: the server of the story (sshd, mysqld, a container published on port 80) and those who try to reach it.
import { type Agent, startAgent } from './agent.ts';
import { startLoginServer } from './login.ts';
import type { Machine } from './machine.ts';
import { createNetwork, type Network } from './network.ts';
import { publishContainer, removeContainer } from './published-container.ts';

/** What listens on the server, in the order of the table. */
const SERVICES = [
  { port: 22, name: 'sshd' },
  { port: 80, name: 'some-app-container' },
  { port: 3306, name: 'mysqld' },
] as const;

/** The server with its services, and the clients. */
export type StoryLab = {
  readonly network: Network;
  /** Tries every port from every client over both families, and gives what came of it as a table. */
  reach(): Promise<string>;
  destroy(): Promise<void>;
};

/** Builds it; needs neither Docker nor real root. `env`: what commands get that run through a login. */
export async function createStoryLab(env: Readonly<Record<string, string>>): Promise<StoryLab> {
  const network = await createNetwork();
  const container = await publishContainer(network.server, 'some-app-container', 80);
  const [clients, services] = await Promise.all([
    Promise.all([network.outside, network.blog, network.third].map((machine) => startAgent(machine))),
    Promise.all(
      SERVICES.filter(({ port }) => port !== 22).map(({ name, port }) =>
        startService(port === 80 ? container : network.server, name, port),
      ),
    ),
  ]);
  const logins = await startLoginServer(network.server, env);
  return {
    network,
    reach: () => reachTable(network.server, clients),
    destroy: async () => {
      logins.stop();
      await Promise.all([...clients, ...services].map((agent) => agent.stop()));
      await removeContainer(container);
      await network.destroy();
    },
  };
}

async function startService(machine: Machine, name: string, port: number): Promise<Agent> {
  const agent = await startAgent(machine, { title: name });
  await agent.serve(port, { banner: `${name}\n` });
  return agent;
}

/** A dropped packet shows as `-`, so that what is open stands out. */
async function reachTable(server: Machine, clients: readonly Agent[]): Promise<string> {
  const attempts = clients.flatMap((client) => [
    { client, host: server.addresses.v4 },
    { client, host: server.addresses.v6 },
  ]);
  const rows = await Promise.all(
    SERVICES.map(async ({ port, name }) => {
      const results = await Promise.all(
        attempts.map(async ({ client, host }) => (await client.dial(host, port)).result),
      );
      const cells = results.map((result) => (result === 'timeout' ? '-' : result).padEnd(8));
      return `  ${`${port}/tcp`.padEnd(9)}${name.padEnd(20)}${pairs(cells)}`;
    }),
  );
  const names = clients.map(({ machine }) => machine.name.padEnd(18)).join('');
  const families = pairs(attempts.map(({ host }) => (host.includes(':') ? 'v6' : 'v4').padEnd(8)));
  return [`  ${'tried from'.padEnd(29)}${names}`, `  ${''.padEnd(29)}${families}`, ...rows]
    .map((line) => line.trimEnd())
    .join('\n');
}

const pairs = (cells: readonly string[]): string =>
  cells.map((cell, index) => (index % 2 === 0 ? cell : `${cell}  `)).join('');
