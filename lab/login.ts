// Login: somebody sits at a shell on the server, over one TCP connection from another machine.
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Machine } from './machine.ts';

/** A login that lives until it is closed; runs one line after the other. */
export type Login = {
  run(line: string): Promise<{ readonly code: number; readonly output: string }>;
  close(): void;
};

/** What plays sshd on port 22 where a real one cannot run (it needs real root). */
export type LoginServer = { stop(): void };

const PROGRAM = fileURLToPath(new URL('./login-main.mjs', import.meta.url));

/** `env`: what commands get, on top of this process' environment. */
export async function startLoginServer(
  server: Machine,
  env: Readonly<Record<string, string>>,
): Promise<LoginServer> {
  const child = server.spawn(process.execPath, [PROGRAM, 'server', '22'], { env });
  await new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => resolve());
    child.once('close', () => reject(new Error('the login server did not start')));
  });
  return { stop: () => void child.stdin.end() };
}

/** Throws when no connection can be made. */
export async function logIn(from: Machine, server: Machine): Promise<Login> {
  const child = from.spawn(process.execPath, [PROGRAM, 'client', server.addresses.v4, '22']);
  const waiting = new Map<number, (answer: { code: number; output: string }) => void>();
  const answered = (id: number) =>
    new Promise<{ code: number; output: string }>((resolve) => {
      waiting.set(id, resolve);
    });
  createInterface({ input: child.stdout }).on('line', (text) => {
    const answer = JSON.parse(text) as { id: number; code: number; output: string };
    waiting.get(answer.id)?.(answer);
  });
  const connected = await answered(0);
  if (connected.code !== 0) throw new Error(`no login from ${from.name}: ${connected.output}`);
  let last = 0;
  const run: Login['run'] = (line) => {
    last++;
    child.stdin.write(`${JSON.stringify({ id: last, line })}\n`);
    return answered(last);
  };
  // A connection is there before the process that sits at its end.
  await run('true');
  return { run, close: () => child.stdin.end() };
}
