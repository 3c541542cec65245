// With a real engine: what a deny and a ban end, to the host and through a published port; beside it, ufw's deny.
import { readdirSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Agent, areAlive, type Connection, startAgent } from '../../lab/agent.ts';
import { type Docker, startDocker } from '../../lab/docker.ts';
import type { Machine } from '../../lab/machine.ts';
import { MOAT_PROGRAM, type Moat, moatOn } from '../../lab/moat.ts';
import { createNetwork, type Network } from '../../lab/network.ts';
import type { SshSession } from '../../lab/ssh.ts';
import { type Sshd, startSshd } from '../../lab/sshd.ts';
import { startUfw } from '../../lab/ufw.ts';
import { eventually, pause } from '../../lab/waiting.ts';
import { commandLine } from '../kernel/way-backs.ts';

let network: Network;
let docker: Docker;
let moat: Moat;
let sshd: Sshd;
let server: Agent;
let third: Agent;
let blog: Agent;
const sessions: SshSession[] = [];

/** The one who is denied and banned. */
const BAD = '192.0.2.9';
/** A process of the host answers at the first, a container at the second; both echo. */
const PORTS = { host: 80, container: 81 } as const;

beforeAll(async () => {
  network = await createNetwork();
  docker = await startDocker(network.server);
  moat = await moatOn(network.server, { docker: docker.host });
  sshd = await startSshd(network.server, { env: moat.env });
  [server, third, blog] = await Promise.all([
    startAgent(network.server),
    startAgent(network.third),
    startAgent(network.blog),
  ]);
  await server.serve(PORTS.host);
  const echo = ['/bin/busybox', 'nc', '-ll', '-p', '80', '-e', '/bin/cat'];
  await docker.run('some-app-container', { publish: [`${PORTS.container}:80`], command: echo });
});

afterAll(async () => {
  await Promise.all(sessions.map((session) => session.close()));
  await Promise.all([server, third, blog].map((agent) => agent?.stop()));
  await sshd?.stop();
  await docker?.destroy();
  await network?.destroy();
  await moat?.destroy();
});

async function login(from: Machine): Promise<SshSession> {
  const session = await sshd.openSession(from);
  sessions.push(session);
  return session;
}

const flowsOf = (agent: Agent): Promise<Connection[]> =>
  Promise.all(Object.values(PORTS).map((port) => agent.connect(network.server.addresses.v4, port)));
const reach = (agent: Agent): Promise<string[]> =>
  Promise.all(
    Object.values(PORTS).map(
      async (port) => (await agent.dial(network.server.addresses.v4, port, { timeoutMs: 600 })).result,
    ),
  );

/** Talks over each flow without a pause while `work` runs and after; gives when each was last answered, in ms after it. */
async function lastAnswers(flows: readonly Connection[], work: () => Promise<unknown>): Promise<number[]> {
  let done = Number.POSITIVE_INFINITY;
  const lasts = flows.map(async (flow) => {
    let last = performance.now();
    while (performance.now() < done + 1500) {
      const asked = performance.now();
      if (await flow.alive(300)) last = performance.now();
      else if (performance.now() > done + 300) break;
      await pause(Math.max(0, asked + 20 - performance.now()));
    }
    return last;
  });
  try {
    await work();
  } finally {
    done = performance.now();
  }
  return (await Promise.all(lasts)).map((last) => last - done);
}

const BOTH = ['open', 'open'];
const NEITHER = ['timeout', 'timeout'];

test('a deny on ufw: new connections are refused to the host alone, and what runs goes on', async () => {
  const ufw = await startUfw(network.server);
  try {
    for (const words of ['allow 22/tcp', 'allow 80/tcp', '--force enable']) {
      expect((await ufw.ufw(words.split(' '))).code).toBe(0);
    }
    const flows = await flowsOf(third);
    expect((await ufw.ufw(`insert 1 deny from ${BAD}`.split(' '))).code).toBe(0);
    await pause(1500);
    const still = await areAlive(flows);
    const after = await reach(third);
    console.log(`ufw:  1.5 s after the deny the old flows (host, container) are alive: ${still.join(', ')}`);
    console.log(`ufw:  new connections: host ${after[0]}, container ${after[1]}`);
    expect(still).toEqual([true, true]);
    expect(after).toEqual(['timeout', 'open']);
    await Promise.all(flows.map((flow) => flow.close()));
  } finally {
    await ufw.destroy();
  }
});

test('a deny on moat: what runs to host and container ends within a second, the admin’s session does not', async () => {
  for (const words of ['allow 22/tcp', 'allow 80/tcp', 'allow 81/tcp']) await moat.ok(...words.split(' '));
  await moat.ok('enable', '--confirm', '0');
  const [admin, adminHere] = await Promise.all([network.outside, network.third].map((from) => login(from)));
  const flows = await flowsOf(third);
  const others = await flowsOf(blog);
  expect(await areAlive([...flows, ...others])).toEqual([true, true, true, true]);
  const lasts = await lastAnswers(flows, () =>
    // Also an admin who sits where it is denied keeps the session that he has.
    moat.ok('prepend', 'deny', 'from', BAD, '--allow-lockout', '--confirm', '0'),
  );
  const texts = lasts.map((ms) => `${(ms / 1000).toFixed(2)} s`);
  console.log(
    `moat: last answer after the command’s end (below 0: before): host ${texts[0]}, container ${texts[1]}`,
  );
  for (const ms of lasts) expect(ms).toBeLessThan(1000);
  expect(await areAlive(flows, 700)).toEqual([false, false]);
  expect(await reach(third)).toEqual(NEITHER);
  expect(await areAlive(others)).toEqual([true, true]);
  expect(await reach(blog)).toEqual(BOTH);
  expect(await admin!.alive()).toBe(true);
  expect(await adminHere!.alive()).toBe(true);
  for (const session of sessions.splice(0)) await session.close();
  await moat.ok('delete', 'deny', 'from', BAD);
  expect(await reach(third)).toEqual(BOTH);
});

test('a ban: neither host nor container, and it ends by itself with no program of moat alive', async () => {
  const flows = await flowsOf(third);
  const lasts = await lastAnswers(flows, () => moat.ok('ban', BAD, 'for', '6s'));
  const begun = performance.now();
  for (const ms of lasts) expect(ms).toBeLessThan(1000);
  expect(await reach(third)).toEqual(NEITHER);
  expect(await reach(blog)).toEqual(BOTH);
  // Nothing of moat runs that could end it.
  const programs = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const ours = programs.map((pid) => commandLine(Number(pid))).filter((line) => isOurs(line));
  expect(ours).toEqual([]);
  expect(await eventually(9000, async () => (await reach(third)).join() === BOTH.join())).toBe(true);
  const seconds = (performance.now() - begun) / 1000;
  console.log(
    `moat: banned for 6 s, host and container are reached again ${seconds.toFixed(1)} s after the command`,
  );
  expect(seconds).toBeGreaterThan(4);
});

function isOurs(line: string): boolean {
  return line.includes(`${moat.root}/`) || (line.includes(MOAT_PROGRAM) && line.includes('ban'));
}
