// The verb `audit` on a typical host, beside what starting moat and reading the machine cost.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MOAT_PROGRAM, moatOn } from '../lab/moat.ts';
import { ipBatch } from '../lab/network.ts';
import { rowsText } from './rows.ts';
import { type Summary, summary, summaryText } from './statistics.ts';
import { createServer, createSource, removeServers } from './subjects.ts';
import { type Time, timed } from './timed.ts';

const ROUNDS = 15;
const BANS = 100;

const COMMANDS = {
  version: ['version'],
  snapshot: ['snapshot'],
  audit: ['audit'],
  'audit of a snapshot': ['audit', '--snapshot', 'SNAPSHOT'],
} as const;

type Command = keyof typeof COMMANDS;

/** Milliseconds; `beyond`: less what `version` took in the same round, which is starting moat. */
export type AuditTime = {
  readonly command: Command;
  readonly cpu: Summary;
  readonly wall: Summary;
  readonly beyond: Summary;
};

/** What ufw and Docker made together, and a chain of fail2ban's with bans in it. */
async function rulesets(): Promise<{ readonly v4: string; readonly v6: string }> {
  const dump = (name: string): Promise<string> =>
    readFile(new URL(`../test/rulesets/docker20_ufw.${name}`, import.meta.url), 'utf8');
  const ban = (_: unknown, i: number): string =>
    `-A f2b-sshd -s 192.0.2.${i + 1}/32 -j REJECT --reject-with icmp-port-unreachable`;
  const fail2ban = [
    '*filter',
    ':f2b-sshd - [0:0]',
    '-I INPUT -p tcp -m multiport --dports 22 -j f2b-sshd',
    ...Array.from({ length: BANS }, ban),
    '-A f2b-sshd -j RETURN',
    'COMMIT',
    '',
  ];
  return { v4: `${await dump('iptables')}\n${fail2ban.join('\n')}`, v6: await dump('ip6tables') };
}

/** The commands in turns, on a server with these rules and the links that they name. */
export async function measureAudit(log: (line: string) => void): Promise<readonly AuditTime[]> {
  await createSource();
  const { machine } = await createServer('bench-audit', 120);
  await ipBatch(
    ['-n', 'bench-audit'],
    ['link add docker0 type bridge', 'addr add 172.17.0.1/16 dev docker0', 'link set docker0 up'],
  );
  await machine.output('sysctl', ['-qw', 'net.ipv4.ip_forward=1']);
  const { v4, v6 } = await rulesets();
  for (const [program, input] of [
    ['iptables-nft-restore', v4],
    ['ip6tables-nft-restore', v6],
  ] as const) {
    const { code, stderr } = await machine.run(program, ['--noflush'], { input });
    if (code !== 0) throw new Error(`${program}: ${stderr}`);
  }
  const moat = await moatOn(machine);
  const snapshot = join(moat.root, 'snapshot.json');
  await writeFile(snapshot, await moat.ok('snapshot'));
  const times = new Map<Command, Time[]>();
  for (let round = 0; round < ROUNDS; round++) {
    for (const [command, words] of Object.entries(COMMANDS) as [Command, readonly string[]][]) {
      const args = words.map((word) => (word === 'SNAPSHOT' ? snapshot : word));
      const time = await timed(
        (program, rest) => machine.run(program, rest, { env: moat.env }),
        [process.execPath, MOAT_PROGRAM, ...args],
      );
      times.set(command, [...(times.get(command) ?? []), time]);
    }
  }
  log(`  ${ROUNDS} rounds`);
  await moat.destroy();
  await removeServers();
  const start = times.get('version')!;
  return [...times].map(([command, all]) => ({
    command,
    cpu: summary(all.map(({ cpu }) => cpu)),
    wall: summary(all.map(({ wall }) => wall)),
    beyond: summary(all.map(({ cpu }, round) => cpu - start[round]!.cpu)),
  }));
}

export function auditText(times: readonly AuditTime[]): string {
  const rows = times.map(({ command, cpu, wall, beyond }) => [
    `moat ${command}`,
    ...[cpu, wall, beyond].map((each) => summaryText(each, 0)),
  ]);
  return [
    `Whole process of a command, ms, with all that it starts: median (min–max) of ${ROUNDS} rounds, in turns.`,
    `A host with ufw, Docker and fail2ban (${BANS} bans), IPv4 and IPv6.`,
    '',
    rowsText([['', 'CPU', 'wall', 'CPU beyond `version`'], ...rows]),
  ].join('\n');
}
