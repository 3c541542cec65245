// Ports of this host that somebody's NAT rules send elsewhere, without asking any container engine.
import { type Address, type IpFamily, parseAddress } from '@moat/netfilter';
import { run } from './process.ts';

/** A port that is forwarded by a DNAT rule, whoever made it. */
export interface Forward {
  readonly protocol: 'tcp' | 'udp';
  readonly family: IpFamily;
  /** The address dialled; 0.0.0.0 or :: where the rule names none. */
  readonly address: Address;
  readonly port: number;
  /** `172.17.0.2:80` */
  readonly to: string;
}

type Json = { readonly [key: string]: unknown };

const FAMILIES: Readonly<Record<string, IpFamily>> = { ip: 'ipv4', ip6: 'ipv6' };

/**
 * DNAT rules with one destination port each, of nft tables and of iptables, in no order and without a look at what
 * comes before them: what is listed may be forwarded, and a rule of another form (a map, a mark) is not listed. Empty
 * where the rules may not be read.
 */
export async function readForwards(): Promise<Forward[]> {
  // Terse: the contents of big sets are of no interest here.
  const listed = await run('nft', ['-j', '-t', 'list', 'ruleset']);
  if (listed.kind === 'missing' || listed.code !== 0) return [];
  const native = parseNftForwards(JSON.parse(listed.stdout || '{}'));
  // nft tells of an iptables DNAT that there is one, but not where to.
  if (!listed.stdout.includes('"DNAT"')) return native;
  const saved = await Promise.all(
    (['iptables-save', 'ip6tables-save'] as const).map(async (command) => {
      const ran = await run(command, ['-t', 'nat']);
      const family = command === 'iptables-save' ? 'ipv4' : 'ipv6';
      return ran.kind === 'missing' ? [] : parseSavedForwards(ran.stdout, family);
    }),
  );
  return [...native, ...saved.flat()];
}

export function parseNftForwards(json: Json): Forward[] {
  const forwards: Forward[] = [];
  for (const item of (json['nftables'] ?? []) as readonly { readonly rule?: Json }[]) {
    const family = FAMILIES[String(item.rule?.['family'])];
    if (item.rule === undefined || family === undefined) continue;
    const statements = (item.rule['expr'] ?? []) as readonly Json[];
    const target = statements.map((statement) => statement['dnat'] as Json | undefined).find(Boolean);
    const address = parseAddress(String(target?.['addr']));
    const dialled = statements.map(portOf).find(Boolean);
    if (address === undefined || dialled === undefined) continue;
    const to = `${String(target?.['addr'])}:${String(target?.['port'] ?? dialled.port)}`;
    forwards.push({ ...dialled, family, address: { family, value: 0n }, to });
  }
  return forwards;
}

function portOf(statement: Json): Pick<Forward, 'protocol' | 'port'> | undefined {
  const match = statement['match'] as Json | undefined;
  const payload = (match?.['left'] as Json | undefined)?.['payload'] as Json | undefined;
  const { protocol, field } = { protocol: payload?.['protocol'], field: payload?.['field'] };
  const port = match?.['right'];
  if (field !== 'dport' || match?.['op'] !== '==' || typeof port !== 'number') return undefined;
  return protocol === 'tcp' || protocol === 'udp' ? { protocol, port } : undefined;
}

/** Lines of `iptables-save -t nat` such as `-A DOCKER ! -i docker0 -p tcp -m tcp --dport 80 -j DNAT --to-destination …`. */
export function parseSavedForwards(text: string, family: IpFamily): Forward[] {
  return text.split('\n').flatMap((line): Forward[] => {
    const to = / -j DNAT --to-destination (\S+)/.exec(line)?.[1];
    const protocol = / -p (tcp|udp) /.exec(line)?.[1] as Forward['protocol'] | undefined;
    const port = Number(/ --dport (\d+) /.exec(line)?.[1]);
    if (to === undefined || protocol === undefined || Number.isNaN(port)) return [];
    const dialled = parseAddress(/ -d ([^ /]+)/.exec(line)?.[1] ?? '');
    return [{ protocol, family, address: dialled ?? { family, value: 0n }, port, to }];
  });
}
