// On both: each defect seen on the real ufw first, then moat in its place; a table at the end of each file.
import { afterAll, afterEach, beforeAll, test } from 'vitest';
import { startAgent } from '../../../lab/agent.ts';
import { moatOn } from '../../../lab/moat.ts';
import { createNetwork } from '../../../lab/network.ts';
import { isRealRoot } from '../../../lab/privilege.ts';
import { startUfw } from '../../../lab/ufw.ts';
import { table } from '../../../packages/firewall/src/report/table.ts';
import { type Defect, type Ground, SERVED } from './defect.ts';

/** Makes the tests of a file. `needsRoot`: on moat's side as well, as sshd does. */
export function testOnBoth(defects: readonly Defect[], { needsRoot = false } = {}): void {
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

  for (const defect of defects) {
    const { number, what } = defect;
    test.skipIf(needsRoot && !isRealRoot())(`${number}: ${what}`, async () => {
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
}
