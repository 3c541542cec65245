// Window: what a client gets from a closed and from an open port while the rules are loaded again and again.
import { readFile, writeFile } from 'node:fs/promises';
import { type Agent, type ProberReport, startAgent } from '../lab/agent.ts';
import type { CommandResult } from '../lab/command.ts';
import { moatOn } from '../lab/moat.ts';
import { createNetwork } from '../lab/network.ts';
import { startUfw } from '../lab/ufw.ts';
import { rowsText } from './rows.ts';

/** What the client counted; `entered`: connections made to the closed port, `failed`: not made to the open one. */
export type WindowCount = {
  readonly subject: 'moat' | 'ufw';
  readonly commands: string;
  readonly attempts: number;
  readonly entered: number;
  readonly failed: number;
};

const ROUNDS = 10;
const EVERY_MS = 20;
/** Less than the second after which a lost SYN is sent again: else a repetition would hide the loss. */
const TIMEOUT_MS = 900;
const OPEN = 22;
const CLOSED = 3306;

type Run = (...words: string[]) => Promise<CommandResult>;
/** Gives a reload something to do. */
type Edit = (round: number) => Promise<void>;
type Series = readonly [name: string, commands: (round: number) => readonly (readonly string[])[]];

/** The defaults change in a direction that this client's attempts do not depend on, and back. */
const SERIES: readonly Series[] = [
  [`${ROUNDS} × reload`, () => [['reload']]],
  [
    `${ROUNDS} × default … outgoing`,
    (round) => [['default', round % 2 === 0 ? 'reject' : 'allow', 'outgoing']],
  ],
  [
    `${ROUNDS} × allow, delete`,
    () => [
      ['allow', '8443/tcp'],
      ['delete', 'allow', '8443/tcp'],
    ],
  ],
];

/** First moat, then ufw, on the same network. */
export async function measureWindow(log: (line: string) => void): Promise<readonly WindowCount[]> {
  const network = await createNetwork();
  const server = await startAgent(network.server);
  const client = await startAgent(network.outside);
  await server.serve(OPEN);
  await server.serve(CLOSED);
  const counts: WindowCount[] = [];
  const moat = await moatOn(network.server);
  await moat.ok('allow', `${OPEN}/tcp`);
  await moat.ok('enable', '--confirm', '0');
  for (const series of SERIES) {
    const run: Run = (...words) => moat.run(...words, '--confirm', '0');
    const policy = await readFile(moat.policy, 'utf8');
    const edit: Edit = (round) =>
      writeFile(moat.policy, round % 2 === 0 ? `${policy}allow 8443/tcp\n` : policy);
    counts.push(await count('moat', run, series, edit, client, network.server.addresses.v4));
    log(`  moat: ${series[0]}`);
  }
  await moat.ok('disable');
  await moat.destroy();
  const ufw = await startUfw(network.server);
  const run: Run = (...words) => ufw.ufw(words);
  await succeed(run, 'allow', `${OPEN}/tcp`);
  await succeed(run, '--force', 'enable');
  for (const series of SERIES) {
    counts.push(await count('ufw', run, series, async () => {}, client, network.server.addresses.v4));
    log(`  ufw: ${series[0]}`);
  }
  await ufw.destroy();
  await client.stop();
  await server.stop();
  await network.destroy();
  return counts;
}

async function count(
  subject: WindowCount['subject'],
  run: Run,
  [name, commands]: Series,
  edit: Edit,
  client: Agent,
  host: string,
): Promise<WindowCount> {
  const targets = [
    { name: 'open', host, port: OPEN },
    { name: 'closed', host, port: CLOSED },
  ];
  const prober = await client.prober(targets, { everyMs: EVERY_MS, timeoutMs: TIMEOUT_MS });
  for (let round = 0; round < ROUNDS; round++) {
    for (const words of commands(round)) {
      if (words[0] === 'reload') await edit(round);
      await succeed(run, ...words);
    }
  }
  const [open, closed] = (await prober.stop()) as [ProberReport, ProberReport];
  const attempts = total(open);
  return {
    ...{ subject, commands: name, attempts },
    entered: closed.counts.open,
    failed: attempts - open.counts.open,
  };
}

const total = ({ counts }: ProberReport): number =>
  Object.values(counts).reduce((sum, each) => sum + each, 0);

async function succeed(run: Run, ...words: string[]): Promise<void> {
  const { code, stdout, stderr } = await run(...words);
  if (code !== 0) throw new Error(`${words.join(' ')}: exit code ${code}: ${stdout}${stderr}`);
}

/** The table for people. */
export function windowText(counts: readonly WindowCount[]): string {
  const rows = counts.map(({ subject, commands, attempts, entered, failed }) => [
    `${subject}, ${commands}`,
    ...[attempts, entered, failed].map(String),
  ]);
  return [
    `A client connects every ${EVERY_MS} ms to an open and to a closed port while commands run. "entered": connections`,
    'to the closed port; "failed": attempts at the open port that got no connection. Both should be 0.',
    '',
    rowsText([['', 'attempts at each', 'entered', 'failed'], ...rows]),
  ].join('\n');
}
