// The daemon beside a real engine: containers and their networks as they come and go, and what they open.
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Docker, startDocker } from '../../lab/docker.ts';
import { MOAT_PROGRAM, type Moat, moatOn } from '../../lab/moat.ts';
import { createNetwork, type Network } from '../../lab/network.ts';
import { eventually } from '../../lab/waiting.ts';

type Event = { readonly event: string; readonly [field: string]: unknown };

let network: Network;
let docker: Docker;
let moat: Moat;
let daemon: ChildProcessWithoutNullStreams;
const events: Event[] = [];

beforeAll(async () => {
  network = await createNetwork();
  docker = await startDocker(network.server);
  moat = await moatOn(network.server, { docker: docker.host });
  await moat.ok('allow', '22');
  await moat.ok('allow', '8080/tcp');
  await moat.ok('enable', '--confirm', '0');
  daemon = network.server.spawn(process.execPath, [MOAT_PROGRAM, 'daemon'], { env: moat.env });
  let rest = '';
  daemon.stdout.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split('\n');
    rest = lines.pop()!;
    events.push(...lines.map((line) => JSON.parse(line) as Event));
  });
  await told({ event: 'started', active: true });
  // What can be reached is worked out once first, last on the processor: what comes before that is no news.
  const known = join(moat.root, 'run/moat/exposures.json');
  expect(await eventually(60_000, async () => existsSync(known))).toBe(true);
});

afterAll(async () => {
  daemon?.kill('SIGTERM');
  await docker?.destroy();
  await network?.destroy();
  await moat?.destroy();
});

/** Waits for an event with these fields. */
async function told(wanted: Event): Promise<Event> {
  const fits = (event: Event): boolean =>
    Object.entries(wanted).every(([key, value]) => event[key] === value);
  await eventually(30_000, async () => events.some(fits));
  const event = events.find(fits);
  if (event === undefined)
    throw new Error(`${JSON.stringify(wanted)} is not among ${JSON.stringify(events)}`);
  return event;
}

const rules = (): Promise<string> => network.server.output('nft', ['list', 'table', 'inet', 'moat']);

test('a container and a network of it are told; the rules follow a bridge that only the engine knows', async () => {
  const named = ['--opt', 'com.docker.network.bridge.name=shopnet'];
  await docker.docker('network', 'create', ...named, 'shop');
  await told({ event: 'network', change: 'came', bridge: 'shopnet', name: 'shop' });
  await told({ event: 'followed' });
  expect(await rules()).toContain('shopnet');
  expect(JSON.parse(await moat.ok('status', '--json'))).toMatchObject({ drifted: [] });
  await docker.run('web', { publish: ['8080:80', '8081:80'], network: 'shop' });
  await told({ event: 'container', change: 'started', name: 'web' });
  const opened = await told({ event: 'exposure', change: 'opened', port: 8080, direct: false });
  expect(opened).toMatchObject({ reaches: { kind: 'container', name: 'web' } });
  expect(JSON.stringify(opened['openedBy'])).toContain('"owner":"moat"');
  console.log(JSON.stringify(opened));
  // Published as well, and no sentence lets anybody in.
  expect(events.filter(({ event, port }) => event === 'exposure' && port === 8081)).toEqual([]);
  await docker.docker('rm', '--force', 'web');
  await told({ event: 'container', change: 'ended', name: 'web' });
  await told({ event: 'exposure', change: 'closed', port: 8080, direct: false });
  const before = events.length;
  await docker.docker('network', 'rm', 'shop');
  await told({ event: 'network', change: 'went', bridge: 'shopnet', name: 'shop' });
  expect(await eventually(10_000, async () => !(await rules()).includes('shopnet'))).toBe(true);
  await eventually(10_000, async () => events.slice(before).some(({ event }) => event === 'followed'));
  expect(events.slice(before).map(({ event }) => event)).toContain('followed');
  const bad = events.filter(({ event }) => ['changed', 'differs', 'problem', 'contested'].includes(event));
  expect(bad).toEqual([]);
});
