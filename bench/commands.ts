// Commands: how long the whole process of `allow`, `status` and `reload` takes, moat's and ufw's in turns.
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { MOAT_PROGRAM } from '../lab/moat.ts';
import { rowsText } from './rows.ts';
import { benchRules, moatPolicy } from './rules.ts';
import { ratio, type Summary, summary, summaryText } from './statistics.ts';
import { createServer, createSource, enableMoat, enableUfw, removeServers, type Server } from './subjects.ts';
import { type Time, timed } from './timed.ts';

type Times = { readonly wall: Summary; readonly cpu: Summary };

/** `faster` is ufw's time through moat's, round by round. Processor time hardly depends on what else runs here. */
export type CommandTime = {
  readonly command: 'allow' | 'status' | 'reload';
  readonly rules: number;
  readonly moat: Times;
  readonly ufw: Times;
  readonly faster: Times;
};

/** What starting the two interpreters costs, with nothing to do in them. */
export type Commands = {
  readonly times: readonly CommandTime[];
  readonly node: Times;
  readonly python: Times;
};

const ROUNDS = 9;
const COUNTS = [0, 2000] as const;
const COMMANDS = ['allow', 'status', 'reload'] as const;

/** One firewall on its server: how to run its commands, and what must happen before and after one that is timed. */
type Subject = {
  run(...words: string[]): Promise<Time>;
  /** Makes the reload have something to do. */
  edit(round: number): Promise<void>;
  destroy(): Promise<void>;
};

/** Both firewalls, without rules and with many, each on a server of its own. */
export async function measureCommands(log: (line: string) => void): Promise<Commands> {
  await createSource();
  const results: CommandTime[] = [];
  for (const [index, rules] of COUNTS.entries()) {
    const first = await createServer(`bench-moat-${rules}`, 100 + 2 * index);
    const moat = await moatSubject(first, rules);
    const ufw = await ufwSubject(await createServer(`bench-ufw-${rules}`, 101 + 2 * index), rules);
    for (const command of COMMANDS) {
      const times = { moat: [] as Time[], ufw: [] as Time[] };
      for (let round = 0; round < ROUNDS; round++) {
        times.moat.push(await once(moat, command, round));
        times.ufw.push(await once(ufw, command, round));
      }
      results.push({
        ...{ command, rules },
        ...{ moat: timesOf(times.moat), ufw: timesOf(times.ufw), faster: ratios(times.ufw, times.moat) },
      });
      log(`  ${command} with ${rules} rules`);
    }
    await moat.destroy();
    await ufw.destroy();
  }
  const { machine } = await createServer('bench-start', 110);
  const start = { node: [] as Time[], python: [] as Time[] };
  const bare = (...command: string[]) => timed((program, args) => machine.run(program, args), command);
  for (let round = 0; round < ROUNDS; round++) {
    start.node.push(await bare(process.execPath, '-e', '0'));
    start.python.push(await bare('/usr/bin/python3', '-c', '0'));
  }
  await removeServers();
  return { times: results, node: timesOf(start.node), python: timesOf(start.python) };
}

const walls = (times: readonly Time[]): number[] => times.map(({ wall }) => wall);
const cpus = (times: readonly Time[]): number[] => times.map(({ cpu }) => cpu);
const timesOf = (times: readonly Time[]): Times => ({
  wall: summary(walls(times)),
  cpu: summary(cpus(times)),
});
const ratios = (a: readonly Time[], b: readonly Time[]): Times => ({
  wall: ratio(walls(a), walls(b)),
  cpu: ratio(cpus(a), cpus(b)),
});

async function moatSubject(server: Server, rules: number): Promise<Subject> {
  const moat = await enableMoat(server, moatPolicy(benchRules(rules)));
  const whole = await readFile(moat.policy, 'utf8');
  // One more nsenter, as ufw has it here for its private files: both start over the same steps.
  const run: Subject['run'] = (...words) =>
    timed(
      (program, args) =>
        server.machine.run('nsenter', ['--mount=/proc/self/ns/mnt', program, ...args], { env: moat.env }),
      [MOAT_PROGRAM, ...words, '--confirm', '0'],
    );
  return {
    run,
    destroy: moat.destroy,
    edit: async (round) => {
      if (round % 2 === 0)
        await appendFile(moat.policy, 'allow from 10.200.0.1 to any port 4444 proto tcp\n');
      else await writeFile(moat.policy, whole);
    },
  };
}

async function ufwSubject(server: Server, rules: number): Promise<Subject> {
  const ufw = await enableUfw(server, rules);
  // ufw loads everything at each reload, whether something changed or not.
  const env = { LANG: 'C.UTF-8' };
  const run: Subject['run'] = (...words) =>
    timed((program, args) => ufw.run(program, args, { env }), ['ufw', ...words]);
  return { run, edit: async () => {}, destroy: ufw.destroy };
}

async function once(subject: Subject, command: CommandTime['command'], round: number): Promise<Time> {
  const sentence = ['allow', 'from', `10.201.0.${round + 1}`, 'to', 'any', 'port', '4444', 'proto', 'tcp'];
  switch (command) {
    case 'allow': {
      const time = await subject.run(...sentence);
      await subject.run('delete', ...sentence);
      return time;
    }
    case 'reload':
      await subject.edit(round);
      return subject.run('reload');
    case 'status':
      return subject.run('status');
    default:
      throw new Error(command satisfies never);
  }
}

/** The table for people. */
export function commandsText({ times, node, python }: Commands): string {
  const head = ['', 'moat wall', 'ufw wall', 'ufw ÷ moat', 'moat CPU', 'ufw CPU', 'ufw ÷ moat'];
  const rows = times.map(({ command, rules, moat, ufw, faster }) => [
    `${command}, ${rules} rules`,
    ...[summaryText(moat.wall, 0), summaryText(ufw.wall, 0), summaryText(faster.wall, 1)],
    ...[summaryText(moat.cpu, 0), summaryText(ufw.cpu, 0), summaryText(faster.cpu, 1)],
  ]);
  const start = ({ wall, cpu }: Times): string => `${summaryText(wall, 0)}, CPU ${summaryText(cpu, 0)}`;
  return [
    `Whole process of a command, ms, with all that it starts: median (min–max) of ${ROUNDS} rounds, in turns.`,
    `An interpreter with nothing to do: node ${start(node)}; python3 ${start(python)}.`,
    '',
    rowsText([head, ...rows]),
  ].join('\n');
}
