// Rules: the same sentences as a policy file for moat and as rules files for ufw.

/** A sentence with its parts apart. Sources are IPv4; without one the sentence is for both families. */
type BenchRule = {
  readonly action: 'allow' | 'deny';
  readonly source?: string;
  readonly port?: number;
  readonly protocol?: 'tcp' | 'udp';
};

/** The port that the last sentence opens to everybody, over TCP and UDP. */
export const OPEN_PORT = 9;
/** A port that no sentence names. */
export const CLOSED_PORT = 8;

/**
 * So many different sentences, the last of them `allow 9`. Single addresses and networks, to ports and to all, allowed
 * and denied, in turns, as a list grown over years has them. No source is in 10.128.0.0/9: what comes from there has
 * to pass all of them.
 */
export function benchRules(count: number): BenchRule[] {
  const rules = Array.from({ length: Math.max(0, count - 1) }, (_, i): BenchRule => {
    const host = `10.${(i >> 16) & 63}.${(i >> 8) & 255}.${i & 255}`;
    const network = `10.${64 + ((i >> 16) & 63)}.${(i >> 8) & 255}.${i & 252}/30`;
    const port = 1000 + (i % 5000);
    switch (i % 4) {
      case 0:
        return { action: 'deny', source: host };
      case 1:
        return { action: 'allow', source: host, port, protocol: 'tcp' };
      case 2:
        return { action: 'deny', source: network };
      default:
        return { action: 'allow', source: network, port, protocol: 'udp' };
    }
  });
  return count === 0 ? [] : [...rules, { action: 'allow', port: OPEN_PORT }];
}

/** The policy file with these sentences. */
export function moatPolicy(rules: readonly BenchRule[]): string {
  return `${['default deny incoming', 'default allow outgoing', 'default deny routed', 'logging low', ...rules.map(sentence)].join('\n')}\n`;
}

/** The words after `moat` or `ufw`. */
function sentence({ action, source, port, protocol }: BenchRule): string {
  if (source === undefined) return `${action} ${port}`;
  if (port === undefined) return `${action} from ${source}`;
  return `${action} from ${source} to any port ${port} proto ${protocol}`;
}

/** A policy with one group of so many single addresses that may do nothing, and `allow 9`. */
export function moatGroupPolicy(members: number): string {
  const addresses = Array.from(
    { length: members },
    (_, i) => `10.${(i >> 16) & 127}.${(i >> 8) & 255}.${i & 255}`,
  );
  return `${moatPolicy([])}group blocked ${addresses.join(' ')}\ndeny from blocked\nallow ${OPEN_PORT}\n`;
}

/**
 * ufw's rules file with these rules put in: `empty` is the file as the package installs it. Before the lines for
 * iptables-restore stands the tuple, which is what ufw itself reads (ufw-framework(8), src/backend_iptables.py).
 */
export function ufwRules(rules: readonly BenchRule[], family: 'v4' | 'v6', empty: string): string {
  const chain = family === 'v4' ? 'ufw-user-input' : 'ufw6-user-input';
  const any = family === 'v4' ? '0.0.0.0/0' : '::/0';
  const lines = rules
    .filter(({ source }) => family === 'v4' || source === undefined)
    .flatMap(({ action, source, port, protocol }) => {
      const jump = `${source === undefined ? '' : ` -s ${source}`} -j ${action === 'allow' ? 'ACCEPT' : 'DROP'}`;
      const protocols = protocol !== undefined ? [protocol] : port === undefined ? [] : ['tcp', 'udp'];
      return [
        `### tuple ### ${action} ${protocol ?? 'any'} ${port ?? 'any'} ${any} any ${source ?? any} in`,
        ...(protocols.length === 0 ? [`-A ${chain}${jump}`] : []),
        ...protocols.map((each) => `-A ${chain} -p ${each} --dport ${port}${jump}`),
        '',
      ];
    });
  return empty.replace(
    /^COMMIT$/m,
    `${['### RULES ###', '', ...lines, '### END RULES ###'].join('\n')}\nCOMMIT`,
  );
}
