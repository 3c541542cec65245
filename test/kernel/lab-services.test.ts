// The lab's real services: sshd and its sessions, ufw with files of its own.
import { readFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Agent, startAgent } from '../../lab/agent.ts';
import { createNetwork, type Network } from '../../lab/network.ts';
import { isRealRoot } from '../../lab/privilege.ts';
import { type Sshd, startSshd } from '../../lab/sshd.ts';
import { startUfw } from '../../lab/ufw.ts';

let network: Network;
let outside: Agent;

beforeAll(async () => {
  network = await createNetwork();
  outside = await startAgent(network.outside);
});

afterAll(async () => {
  await outside?.stop();
  await network?.destroy();
});

describe.skipIf(!isRealRoot())('sshd', () => {
  let sshd: Sshd;
  beforeAll(async () => {
    sshd = await startSshd(network.server, { env: { LAB_WORD: 'moat and bridge' } });
  });
  afterEach(() => network.server.output('nft', ['flush', 'ruleset']));
  afterAll(() => sshd?.stop());

  test.each(['v4', 'v6'] as const)('a login over %s runs a command on the server', async (family) => {
    const result = await sshd.command(network.outside, 'echo "$LAB_WORD $SSH_CONNECTION"; exit 3', {
      family,
    });
    expect(result).toMatchObject({ code: 3, stderr: '' });
    expect(result.stdout).toContain(`moat and bridge ${network.outside.addresses[family]} `);
  });

  test('a session runs one line after the other, in the same shell', async () => {
    const session = await sshd.openSession(network.outside);
    expect(await session.run('cd /usr; x=1; false')).toEqual({ code: 1, stdout: '', stderr: '' });
    expect(await session.run('pwd; echo "no" >&2; echo $x')).toEqual({
      code: 0,
      stdout: '/usr\n1\n',
      stderr: 'no\n',
    });
    await session.close();
  });

  test('a session notices that its packets are dropped', async () => {
    const session = await sshd.openSession(network.outside, { family: 'v6' });
    await network.server.output('nft', ['-f', '-'], {
      input: 'table inet lab { chain input { type filter hook input priority 0\ntcp dport 22 drop\n}\n}\n',
    });
    expect(await session.alive(300)).toBe(false);
    expect((await sshd.command(network.outside, 'true', { connectSeconds: 1 })).code).toBe(255);
    await session.close();
  });
});

test.skipIf(!isRealRoot())('ufw closes the server and leaves the machine files alone', async () => {
  const conf = await readFile('/etc/ufw/ufw.conf', 'utf8');
  const service = await startAgent(network.server);
  await service.serve(8080);
  const ufw = await startUfw(network.server);
  const { v4, v6 } = network.server.addresses;
  expect((await ufw.ufw(['allow', '22'])).code).toBe(0);
  expect(await ufw.ufw(['--force', 'enable'])).toMatchObject({ code: 0 });
  for (const host of [v4, v6]) {
    expect((await outside.dial(host, 8080, { timeoutMs: 300 })).result).toBe('timeout');
    expect((await outside.dial(host, 22)).result).toBe('refused');
  }
  expect((await ufw.ufw(['status'])).stdout).toContain('22 (v6)');
  expect(await readFile(`${ufw.etc}/ufw.conf`, 'utf8')).toContain('ENABLED=yes');
  expect(await readFile('/etc/ufw/ufw.conf', 'utf8')).toBe(conf);
  await ufw.destroy();
  expect((await outside.dial(v4, 8080)).result).toBe('open');
  await service.stop();
});
