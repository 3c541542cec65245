// Servers of one test file on ports of their own, and what they answer.
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** In the order in which they came; also those that a framework started itself. */
export const servers: Server[] = [];

/** Where the server is reached. */
export async function listen(server: Server): Promise<string> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Ends the connections to all of them. */
export function hangUp(): void {
  for (const server of servers.splice(0)) server.closeAllConnections();
}

/** The status and the body. */
export async function get(url: string, init: RequestInit = {}): Promise<string> {
  const response = await fetch(url, init);
  return `${response.status} ${await response.text()}`;
}
