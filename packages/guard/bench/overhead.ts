// Overhead: a guarded server against a bare one, one that looks at the token by hand, and a second bare one to show what the measurement itself is worth.
// `npx tsx packages/guard/bench/overhead.ts [launches] [frameworks]`
// Counted is the CPU time that the server's process takes for a fixed number of requests, in short turns one after the
// other; whatever else runs on the machine disturbs the three of a round alike. Two processes of the same program may be
// compiled differently; therefore each is launched anew several times.
import { type ChildProcess, fork } from 'node:child_process';
import { connect, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { buildModules } from '../build.mjs';
import { interval, median } from './interval.ts';

const LAUNCHES = Number(process.argv[2] ?? 6);
const FRAMEWORKS = process.argv[3]?.split(',') ?? ['http', 'express', 'fastify', 'hono', 'koa'];
const ROUNDS = 16;
/** Enough for the garbage of a turn to be collected within it. */
const REQUESTS = 1600;
const WARM = 12_000;
const CONNECTIONS = 16;
/** `checked`: looks at the token by hand in the handler of the closed route, the same work without the guard. */
const KINDS = ['bare', 'checked', 'guarded', 'control'] as const;
type Kind = (typeof KINDS)[number];

const TOKEN = 'Authorization: Bearer correct-horse-battery-staple\r\n';
const USUAL =
  'Host: 127.0.0.1\r\nUser-Agent: bench/1.0\r\nAccept: application/json, text/plain, */*\r\nAccept-Encoding: gzip, deflate\r\nConnection: keep-alive\r\n';
const PATHS = [
  ['public', `GET /health HTTP/1.1\r\n${USUAL}\r\n`],
  ['authorized', `GET /secret HTTP/1.1\r\n${USUAL}${TOKEN}\r\n`],
] as const;

interface Subject {
  readonly child: ChildProcess;
  readonly sockets: readonly Socket[];
}

function message<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve) => child.once('message', (value) => resolve(value as T)));
}

async function start(framework: string, kind: Kind): Promise<Subject> {
  const child = fork(fileURLToPath(new URL('./server.mjs', import.meta.url)), [framework, kind], {
    execArgv: [],
    env: { ...process.env, NODE_ENV: 'production' },
  });
  const { port } = await message<{ port: number }>(child);
  const sockets = Array.from({ length: CONNECTIONS }, () =>
    connect({ port, host: '127.0.0.1', noDelay: true }),
  );
  return { child, sockets };
}

/** Seconds of CPU that the server has taken so far. */
async function cpu({ child }: Subject): Promise<number> {
  const answer = message<{ cpu: NodeJS.CpuUsage }>(child);
  child.send('cpu');
  const { user, system } = (await answer).cpu;
  return (user + system) / 1e6;
}

function send({ sockets }: Subject, request: string, count: number): Promise<void> {
  let begun = 0;
  let answered = 0;
  return new Promise((resolve, reject) => {
    for (const socket of sockets) {
      const next = () => {
        if (begun++ < count) socket.write(request);
      };
      socket.removeAllListeners();
      socket.on('error', reject);
      socket.on('end', () => reject(new Error('the server closed a connection')));
      socket.on('data', (chunk) => {
        if (!chunk.includes('200 OK')) reject(new Error(`expected 200, got ${chunk}`));
        if (++answered === count) resolve();
        else next();
      });
      next();
    }
  });
}

/** Microseconds of CPU for a request. */
async function turn(subject: Subject, request: string): Promise<number> {
  const before = await cpu(subject);
  await send(subject, request, REQUESTS);
  return (((await cpu(subject)) - before) * 1e6) / REQUESTS;
}

/** One launch: for each round the microseconds of each kind, for both paths. */
async function launch(framework: string, number: number): Promise<Record<Kind, number>[][]> {
  const subjects: [Kind, Subject][] = [];
  // The order of the launches and of the turns changes, so that none is always the first.
  for (const kind of rotated(KINDS, number)) subjects.push([kind, await start(framework, kind)]);
  const results: Record<Kind, number>[][] = [];
  for (const [, request] of PATHS) {
    const rounds: Record<Kind, number>[] = [];
    for (const [, subject] of subjects) await send(subject, request, WARM);
    for (let round = 0; round < ROUNDS; round++) {
      const took: Partial<Record<Kind, number>> = {};
      for (const [kind, subject] of rotated(subjects, round)) took[kind] = await turn(subject, request);
      rounds.push(took as Record<Kind, number>);
    }
    results.push(rounds);
  }
  for (const [, { child, sockets }] of subjects) {
    for (const socket of sockets) socket.destroy();
    child.disconnect();
  }
  return results;
}

function rotated<T>(values: readonly T[], by: number): T[] {
  const turned = values.map((_, index) => values[(index + by) % values.length]!);
  return Math.floor(by / values.length) % 2 === 0 ? turned : turned.reverse();
}

await buildModules(fileURLToPath(new URL('../dist', import.meta.url)));

console.log(
  `requests for each second of the server's CPU, guarded / bare: median of ${LAUNCHES} launches with ${ROUNDS} rounds of ${REQUESTS}`,
);
console.log(
  'requests, and the interval that holds it with 95 %. Checked: bare, but its handler looks at the token. Control: bare / bare.',
);
console.log(
  'framework  route       bare us/request   guarded / bare            guarded / checked         control',
);
for (const framework of FRAMEWORKS) {
  const launches: Record<Kind, number>[][][] = [];
  for (let number = 0; number < LAUNCHES; number++) launches.push(await launch(framework, number));
  for (const [index, [route]] of PATHS.entries()) {
    const rounds = launches.map((each) => each[index]!);
    const bare = median(rounds.flat().map((round) => round.bare));
    const text = (kind: Kind, against: Kind = 'bare') => {
      const ratios = rounds.map((each) => each.map((round) => round[against] / round[kind]));
      const [low, middle, high] = interval(ratios);
      return `${middle.toFixed(3)} (${low.toFixed(3)} to ${high.toFixed(3)})`;
    };
    console.log(
      `${framework.padEnd(10)} ${route.padEnd(11)} ${bare.toFixed(1).padStart(15)}   ${text('guarded').padEnd(23)}   ${text('guarded', 'checked').padEnd(23)}   ${text('control')}`,
    );
  }
}
