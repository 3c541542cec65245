// Rulesets that the analysis is measured with: dumps in folders, and made ones of growing size.
import { readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A file, and how the table calls it. */
export interface Dump {
  readonly name: string;
  readonly file: string;
}

/** Numbers from 0 to 1 that look random and are the same each time. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

type Shape = (count: number) => string[];

const address = (random: () => number): string =>
  Array.from({ length: 4 }, (_, i) =>
    i === 0 ? 1 + Math.floor(random() * 222) : Math.floor(random() * 256),
  ).join('.');

/**
 * hosts: one source and one port each, as a firewall by hand has them. networks: sources of many lengths, ranges of
 * ports, accept and drop mixed. services: few sources, hosts and ports in all combinations, most of them accepted.
 */
export const SHAPES: Readonly<Record<string, Shape>> = {
  hosts: (count) => {
    const random = numbers(1);
    return Array.from(
      { length: count },
      (_, i) => `-A INPUT -s ${address(random)} -p tcp --dport ${1 + (i % 1000)} -j ACCEPT`,
    );
  },
  networks: (count) => {
    const random = numbers(2);
    return Array.from({ length: count }, () => {
      const first = Math.floor(random() * 60_000);
      const ports = `${first}:${first + Math.floor(random() * 5_000)}`;
      const network = `${address(random)}/${8 + Math.floor(random() * 25)}`;
      return `-A INPUT -s ${network} -p ${random() < 0.7 ? 'tcp' : 'udp'} --dport ${ports} -j ${random() < 0.5 ? 'ACCEPT' : 'DROP'}`;
    });
  },
  services: (count) => {
    const random = numbers(3);
    const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!;
    const networks = Array.from({ length: 60 }, () => `${address(random)}/${16 + Math.floor(random() * 9)}`);
    const hosts = Array.from({ length: 40 }, () => address(random));
    const ports = Array.from({ length: 20 }, () => 1 + Math.floor(random() * 10_000));
    return Array.from(
      { length: count },
      () =>
        `-A INPUT -s ${pick(networks)} -d ${pick(hosts)} -p ${random() < 0.7 ? 'tcp' : 'udp'} --dport ${pick(ports)} -j ${random() < 0.8 ? 'ACCEPT' : 'DROP'}`,
    );
  },
};

export const SIZES = [100, 1_000, 10_000, 50_000] as const;

/** Writes the made rulesets into a folder and gives their names and files. */
export async function madeRulesets(folder: string): Promise<Dump[]> {
  const made = Object.entries(SHAPES).flatMap(([shape, rules]) =>
    SIZES.map((size) => ({ name: `${shape} ${size}`, text: iptables(rules(size)) })),
  );
  made.push({ name: 'set of 100000', text: setOf(100_000) });
  return Promise.all(
    made.map(async ({ name, text }) => {
      const file = join(folder, name.replaceAll(' ', '-'));
      await writeFile(file, text);
      return { name, file };
    }),
  );
}

function iptables(rules: readonly string[]): string {
  return ['*filter', ':INPUT DROP [0:0]', ...rules, 'COMMIT', ''].join('\n');
}

/** As nft lists it: one set of addresses, and a rule that drops what comes from them. */
function setOf(count: number): string {
  const random = numbers(4);
  const elem = [...new Set(Array.from({ length: count }, () => address(random)))];
  const table = { family: 'inet', name: 'filter' };
  const match = { op: '==', left: { payload: { protocol: 'ip', field: 'saddr' } }, right: '@bad' };
  return JSON.stringify({
    nftables: [
      { table },
      { set: { family: 'inet', table: 'filter', name: 'bad', type: 'ipv4_addr', elem } },
      {
        chain: {
          family: 'inet',
          table: 'filter',
          name: 'input',
          type: 'filter',
          hook: 'input',
          prio: 0,
          policy: 'accept',
        },
      },
      { rule: { family: 'inet', table: 'filter', chain: 'input', expr: [{ match }, { drop: null }] } },
    ],
  });
}

/** What ufw and Docker made together on a real machine; its name has no dot, so that it stands with the made ones. */
export function typicalHost(): Dump[] {
  const file = new URL('../test/rulesets/docker20_ufw.iptables', import.meta.url).pathname;
  return [{ name: 'ufw and Docker', file }];
}

/** Dumps of iptables-save and ip6tables-save and nft's JSON below a folder. */
export function dumpsIn(folder: string): Dump[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => /(?:tables|json|-save|\.rules)$/.test(name))
    .sort()
    .map((name) => ({ name, file: join(folder, name) }));
}
