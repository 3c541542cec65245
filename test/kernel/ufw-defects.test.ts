// What ufw gets wrong, moat gets right: each defect seen on the real ufw first, then moat; one table at the end.
import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { startAgent } from '../../lab/agent.ts';
import { moatOn } from '../../lab/moat.ts';
import { createNetwork } from '../../lab/network.ts';
import { isRealRoot } from '../../lab/privilege.ts';
import { startUfw } from '../../lab/ufw.ts';
import { table } from '../../packages/firewall/src/report/table.ts';
import { type Defect, type Ground, SERVED } from './ufw-defects/defect.ts';
import { FILE_DEFECTS } from './ufw-defects/files.ts';
import { MACHINE_DEFECTS } from './ufw-defects/machine.ts';
import { ORDER_DEFECTS } from './ufw-defects/order.ts';
import { SSH_DEFECTS } from './ufw-defects/ssh.ts';

const DEFECTS: readonly Defect[] = [...FILE_DEFECTS, ...ORDER_DEFECTS, ...MACHINE_DEFECTS, ...SSH_DEFECTS];

let ground: Ground;
const rows: string[][] = [];

beforeAll(async () => {
  const network = await createNetwork();
  const [server, outside, third] = await Promise.all([
    startAgent(network.server, { title: 'mysqld' }),
    startAgent(network.outside),
    startAgent(network.third),
  ]);
  await Promise.all([22, ...SERVED].map((port) => server.serve(port)));
  ground = { network, server, outside, third };
});

afterEach(openAgain);

afterAll(async () => {
  const head = ['DEFECT', 'WHAT', 'UFW', 'MOAT'];
  console.log(`What ufw 0.36.2 gets wrong, and moat\n\n${table([head, ...rows])}`);
  await Promise.all([ground?.server, ground?.outside, ground?.third].map((agent) => agent?.stop()));
  await ground?.network.destroy();
});

async function openAgain(): Promise<void> {
  await ground.network.server.output('nft', ['flush', 'ruleset']);
}

async function onUfw({ ufw: see, recorded }: Defect): Promise<string> {
  // ufw needs real root, as does sshd.
  if (see === undefined || !isRealRoot()) return `${recorded} (recorded)`;
  const ufw = await startUfw(ground.network.server);
  try {
    return await see(ufw, ground);
  } finally {
    await ufw.destroy();
    await openAgain();
  }
}

for (const defect of DEFECTS) {
  const { number, what } = defect;
  test.skipIf(SSH_DEFECTS.includes(defect) && !isRealRoot())(`${number}: ${what}`, async () => {
    const row = [number, what, '?', '?'];
    rows.push(row);
    row[2] = await onUfw(defect);
    const moat = await moatOn(ground.network.server);
    try {
      row[3] = await defect.moat(moat, ground);
    } finally {
      await moat.destroy();
    }
  });
}

test('the manual page about ufw lists the same defects', () => {
  const page = readFileSync(new URL('../../docs/UFW.md', import.meta.url), 'utf8');
  const listed = [...page.matchAll(/^\| (\S.*?) +\| (.*?) +\|/gm)].map(
    ([, number, what]) => `${number}: ${what}`,
  );
  expect(listed.slice(2)).toEqual(DEFECTS.map(({ number, what }) => `${number}: ${what}`));
});
