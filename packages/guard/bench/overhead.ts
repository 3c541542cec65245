// Overhead: guarded against bare, in turns in the same run. `npx tsx packages/guard/bench/overhead.ts [rounds]`.
// Two ratios: requests a second, and requests for each second of the server's CPU (which other load disturbs less).
import { type ChildProcess, fork } from 'node:child_process';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { buildModules } from '../build.mjs';

const ROUNDS = Number(process.argv[2] ?? 12);
const MILLISECONDS = 400;
const CONNECTIONS = 16;
const TOKEN = 'Authorization: Bearer correct-horse-battery-staple\r\n';
const USUAL =
  'Host: 127.0.0.1\r\nUser-Agent: bench/1.0\r\nAccept: application/json, text/plain, */*\r\nAccept-Encoding: gzip, deflate\r\nConnection: keep-alive\r\n';
const PATHS = [
  ['public', `GET /health HTTP/1.1\r\n${USUAL}\r\n`],
  ['authorized', `GET /secret HTTP/1.1\r\n${USUAL}${TOKEN}\r\n`],
] as const;

interface Subject {
  readonly child: ChildProcess;
  readonly port: number;
}

function message<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve) => child.once('message', (value) => resolve(value as T)));
}

async function start(framework: string, kind: string): Promise<Subject> {
  const child = fork(fileURLToPath(new URL('./server.mjs', import.meta.url)), [framework, kind], {
    execArgv: [],
    env: { ...process.env, NODE_ENV: 'production' },
  });
  const { port } = await message<{ port: number }>(child);
  return { child, port };
}

async function cpu(child: ChildProcess): Promise<number> {
  child.send('cpu');
  const { cpu } = await message<{ cpu: NodeJS.CpuUsage }>(child);
  return (cpu.user + cpu.system) / 1e6;
}

/** One turn: how many requests were answered a second, and for each second of the server's CPU. */
async function turn({ child, port }: Subject, request: string): Promise<{ rate: number; perCpu: number }> {
  const before = await cpu(child);
  const begun = performance.now();
  let answered = 0;
  await Promise.all(
    Array.from(
      { length: CONNECTIONS },
      () =>
        new Promise<void>((resolve, reject) => {
          const socket = connect({ port, host: '127.0.0.1', noDelay: true });
          socket.on('error', reject);
          socket.on('data', (chunk) => {
            if (!chunk.includes('200 OK')) reject(new Error(`expected 200, got ${chunk}`));
            answered++;
            if (performance.now() - begun < MILLISECONDS) socket.write(request);
            else socket.end(() => resolve());
          });
          socket.write(request);
        }),
    ),
  );
  const seconds = (performance.now() - begun) / 1000;
  return { rate: answered / seconds, perCpu: answered / ((await cpu(child)) - before) };
}

await buildModules(fileURLToPath(new URL('../dist', import.meta.url)));
const median = (values: number[]) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)]!;

console.log(
  `guarded / bare, median of ${ROUNDS} rounds, turns of ${MILLISECONDS} ms in changing order; wanted >= 0.97`,
);
console.log('framework  route       bare req/s   throughput   per CPU second');
for (const framework of process.argv[3]?.split(',') ?? ['http', 'express', 'fastify', 'hono', 'koa']) {
  const bare = await start(framework, 'bare');
  const guarded = await start(framework, 'guarded');
  for (const [route, request] of PATHS) {
    for (let warm = 0; warm < 4; warm++) for (const each of [bare, guarded]) await turn(each, request);
    const rates: number[] = [];
    const ratios = { rate: [] as number[], perCpu: [] as number[] };
    for (let round = 0; round < ROUNDS; round++) {
      const order = round % 2 === 0 ? [bare, guarded] : [guarded, bare];
      const results = new Map<Subject, { rate: number; perCpu: number }>();
      for (const each of order) results.set(each, await turn(each, request));
      const [a, b] = [results.get(bare)!, results.get(guarded)!];
      rates.push(a.rate);
      ratios.rate.push(b.rate / a.rate);
      ratios.perCpu.push(b.perCpu / a.perCpu);
    }
    console.log(
      `${framework.padEnd(10)} ${route.padEnd(11)} ${String(Math.round(median(rates))).padStart(10)}   ` +
        `${median(ratios.rate).toFixed(3).padStart(10)}   ${median(ratios.perCpu).toFixed(3).padStart(14)}`,
    );
  }
  bare.child.disconnect();
  guarded.child.disconnect();
}
