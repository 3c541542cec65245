// A server with files of its own for daemons, moat and three sockets on it, and what dials find beside what is told.
import { type Agent, startAgent } from '../../lab/agent.ts';
import { type Moat, moatOn } from '../../lab/moat.ts';
import { createNetwork, type Network } from '../../lab/network.ts';
import { openRoom, type Room } from '../../lab/room.ts';
import { parseAddress } from '../../packages/netfilter/src/net/address.ts';
import { parsePrefix, prefixInterval } from '../../packages/netfilter/src/net/prefix.ts';
import { documentedSchema, schemaProblems } from '../json-schema.ts';

export interface Row {
  readonly family: 'ipv4' | 'ipv6';
  readonly proto: string;
  readonly port: number | string;
  readonly sources: readonly string[];
  readonly to?: readonly string[];
  readonly reaches: {
    readonly kind: string;
    readonly name: string | null;
    readonly port?: number;
    readonly forwardedTo?: { readonly address?: string; readonly port?: number };
  };
  readonly openedBy: readonly { readonly owner: string; readonly table: string; readonly chain: string }[];
  readonly certainty: string;
}

export interface Told {
  readonly exposures: readonly Row[];
  readonly direct: readonly Row[];
}

export interface AuditedServer {
  readonly network: Network;
  readonly room: Room;
  readonly moat: Moat;
  /** `moat audit --json`, which fits its schema. */
  audit(): Promise<Told>;
  /** `outside ipv4 22`: each machine, family and port that is open, by dialling, and by the rows of the audit. */
  dialled(ports: readonly number[]): Promise<string[]>;
  destroy(): Promise<void>;
}

const FAMILIES = ['ipv4', 'ipv6'] as const;
const DIALLERS = ['outside', 'blog', 'third'] as const;

/** 22, 80 and 3306 listen, in both families. */
export async function auditedServer(): Promise<AuditedServer> {
  const network = await createNetwork();
  const room = await openRoom(network.server);
  const moat = await moatOn(room);
  const [server, ...agents] = await Promise.all([
    startAgent(room, { title: 'mysqld' }),
    ...DIALLERS.map((name) => startAgent(network[name])),
  ]);
  await Promise.all([22, 80, 3306].map((port) => server.serve(port)));
  const open = async (agent: Agent, family: (typeof FAMILIES)[number], port: number) => {
    const host = network.server.addresses[family === 'ipv4' ? 'v4' : 'v6'];
    return (await agent.dial(host, port, { timeoutMs: 600 })).result === 'open';
  };
  return {
    network,
    room,
    moat,
    audit: async () => {
      const told = JSON.parse(await moat.ok('audit', '--json'));
      const problems = schemaProblems(documentedSchema('audit'), told);
      if (problems.length > 0) throw new Error(problems.join('\n'));
      return told;
    },
    dialled: async (ports) => {
      const asked = agents.flatMap((agent) =>
        FAMILIES.flatMap((family) => ports.map((port) => ({ agent, family, port }))),
      );
      const found = await Promise.all(
        asked.map(async ({ agent, family, port }) =>
          (await open(agent, family, port)) ? [`${agent.machine.name} ${family} ${port}`] : [],
        ),
      );
      return found.flat();
    },
    destroy: async () => {
      await Promise.all([server, ...agents].map((agent) => agent.stop()));
      await room.close();
      await network.destroy();
      await moat.destroy();
    },
  };
}

/** The same lines as `dialled`, out of the rows behind which something answers. */
export function toldOpen(network: Network, rows: readonly Row[], ports: readonly number[]): string[] {
  return DIALLERS.flatMap((name) =>
    FAMILIES.flatMap((family) => {
      const address = network[name].addresses[family === 'ipv4' ? 'v4' : 'v6'];
      const own = network.server.addresses[family === 'ipv4' ? 'v4' : 'v6'];
      return ports
        .filter((port) =>
          rows.some(
            (row) =>
              row.family === family &&
              row.proto === 'tcp' &&
              row.certainty === 'must' &&
              covers(row, port) &&
              (row.reaches.kind !== 'none' || row.reaches.forwardedTo !== undefined) &&
              (row.to === undefined || row.to.some((prefix) => holds(prefix, own))) &&
              row.sources.some((prefix) => holds(prefix, address)),
          ),
        )
        .map((port) => `${name} ${family} ${port}`);
    }),
  );
}

export function covers({ port }: Row, wanted: number): boolean {
  const [first = 0, last = first] = String(port).split('-').map(Number);
  return first <= wanted && wanted <= last;
}

function holds(prefix: string, address: string): boolean {
  const parsed = parsePrefix(prefix);
  const dialled = parseAddress(address);
  if ('problem' in parsed || dialled === undefined) throw new Error(`${prefix} ${address}`);
  if (parsed.prefix.family !== dialled.family) return false;
  const { first, last } = prefixInterval(parsed.prefix);
  return first <= dialled.value && dialled.value <= last;
}
