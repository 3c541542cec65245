// No change opens what is closed, or closes what is open, even for a moment.
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Agent, type ProberReport, type ProberTarget, startAgent } from '../../lab/agent.ts';
import { type Moat, moatOn } from '../../lab/moat.ts';
import { createNetwork, type Network } from '../../lab/network.ts';
import { pause } from '../../lab/waiting.ts';
import { loadedTable, sameTable, tableOf } from '../kernel/loaded.ts';

let network: Network;
let moat: Moat;
let outside: Agent;
let server: Agent;

/** Less than a second: a connection whose first packet was lost would else be made by the second one. */
const TIMING = { everyMs: 20, timeoutMs: 900 };
const ROUNDS = 50;

/** 22: a plain sentence; 8080: a group's sentence; 3306: the default; 9090: a sentence that denies. */
const OPEN = [22, 8080];
const CLOSED = [3306, 9090];

beforeAll(async () => {
  network = await createNetwork();
  moat = await moatOn(network.server);
  [outside, server] = await Promise.all([startAgent(network.outside), startAgent(network.server)]);
  for (const port of [...OPEN, ...CLOSED]) await server.serve(port);
  const { v4, v6 } = network.outside.addresses;
  await moat.ok('group', 'office', v4, v6, '192.0.2.9');
  await moat.ok('allow', '22/tcp');
  await moat.ok(...'allow from office to any port 8080 proto tcp'.split(' '));
  await moat.ok('deny', '9090/tcp');
  await moat.ok('enable', '--confirm', '0');
});

afterAll(async () => {
  await Promise.all([outside, server].map((agent) => agent?.stop()));
  await network?.destroy();
  await moat?.destroy();
});

const targets = (ports: readonly number[]): ProberTarget[] =>
  ports.flatMap((port) =>
    (['v4', 'v6'] as const).map((family) => ({
      name: `${port} ${family}`,
      host: network.server.addresses[family],
      port,
    })),
  );

const sum = (reports: readonly ProberReport[], result: keyof ProberReport['counts']): number =>
  reports.reduce((total, { counts }) => total + counts[result], 0);

const total = (reports: readonly ProberReport[]): number =>
  (['open', 'refused', 'timeout', 'unreachable'] as const).reduce((all, each) => all + sum(reports, each), 0);

/** One round: the commands, and what a hand did to the file before them. */
function changes(round: number): { readonly words: string; readonly edit?: (text: string) => string }[] {
  const other = `198.51.100.${100 + (round % 50)}`;
  const kinds = [
    [{ words: 'allow 5000/tcp' }, { words: 'delete allow 5000/tcp' }],
    [{ words: 'default reject incoming' }, { words: 'default deny incoming' }],
    [{ words: 'default deny outgoing' }, { words: 'default allow outgoing' }],
    [{ words: `insert 1 deny from ${other}` }, { words: `delete deny from ${other}` }],
    [{ words: `group office ${other} 2001:db8:77::/48` }, { words: 'enable' }],
    [{ words: 'reload', edit: (text: string) => text.replaceAll(/^group office 198\.51\.100\.1.*\n/gm, '') }],
    [{ words: 'limit 2222/tcp' }, { words: 'logging full' }, { words: 'delete limit 2222/tcp' }],
    [{ words: 'default reject outgoing' }, { words: 'logging low' }, { words: 'default allow outgoing' }],
    [{ words: 'prepend allow from 192.0.2.0/24' }, { words: 'delete 1' }, { words: 'reload' }],
    [{ words: 'enable' }, { words: 'default allow routed' }, { words: 'default deny routed' }],
  ];
  return kinds[round % kinds.length]!;
}

test('50 rounds of every kind of change', async () => {
  const open = await outside.prober(targets(OPEN), TIMING);
  const closed = await outside.prober(targets(CLOSED), TIMING);
  let commands = 0;
  for (let round = 0; round < ROUNDS; round++) {
    for (const { words, edit } of changes(round)) {
      if (edit !== undefined) writeFileSync(moat.policy, edit(readFileSync(moat.policy, 'utf8')));
      await moat.ok(...words.split(' '), '--confirm', '0');
      commands++;
    }
    // Otherwise the commands might have changed nothing at all.
    const wanted = tableOf(readFileSync(moat.policy, 'utf8'));
    expect(sameTable(wanted, await loadedTable(network.server))).toBe(true);
  }
  const reports = { open: await open.stop(), closed: await closed.stop() };
  console.log(
    `${ROUNDS} rounds, ${commands} commands. To open ports: ${total(reports.open)} connections, ` +
      `${total(reports.open) - sum(reports.open, 'open')} failed. To closed ports: ` +
      `${total(reports.closed)} connections, ${sum(reports.closed, 'open')} succeeded.`,
  );
  for (const report of reports.open) {
    expect(report.counts).toMatchObject({ refused: 0, timeout: 0, unreachable: 0 });
    expect(report.counts.open).toBeGreaterThan(500);
  }
  for (const report of reports.closed) {
    expect(report.counts.open).toBe(0);
    expect(report.counts.timeout + report.counts.refused + report.counts.unreachable).toBeGreaterThan(500);
  }
});

test('the prober would have seen a gap of a tenth of a second', async () => {
  const closed = await outside.prober(targets(CLOSED), TIMING);
  await pause(300);
  const rules = await network.server.output('nft', ['list', 'table', 'inet', 'moat']);
  await network.server.output('nft', ['delete', 'table', 'inet', 'moat']);
  await pause(100);
  await network.server.output('nft', ['-f', '-'], { input: rules });
  await pause(1200);
  for (const { counts } of await closed.stop()) {
    expect(counts.open).toBeGreaterThan(0);
    expect(counts.timeout).toBeGreaterThan(10);
  }
});
