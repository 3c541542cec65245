// A sandbox: the built package in a folder of its own, with the framework's major that one asks for, and programs in it.
import { spawn } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildModules } from '../build.mjs';

const PACKAGE = fileURLToPath(new URL('..', import.meta.url));
const MODULES = fileURLToPath(new URL('../../../node_modules', import.meta.url));

export interface Sandbox {
  readonly folder: string;
  /** Writes a program and gives its path. */
  write(name: string, text: string): string;
  remove(): void;
}

/** Builds the package into a new folder. @param libraries name to import → folder in node_modules */
export async function sandbox(libraries: Readonly<Record<string, string>>): Promise<Sandbox> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'moat-guard-')));
  const own = join(folder, 'node_modules/@moat/guard');
  mkdirSync(own, { recursive: true });
  copyFileSync(join(PACKAGE, 'package.json'), join(own, 'package.json'));
  await buildModules(join(own, 'dist'));
  for (const [name, from] of Object.entries(libraries)) {
    mkdirSync(join(folder, 'node_modules', name, '..'), { recursive: true });
    symlinkSync(realpathSync(join(MODULES, from)), join(folder, 'node_modules', name));
  }
  return {
    folder,
    write(name, text) {
      writeFileSync(join(folder, name), text);
      return join(folder, name);
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** A port on 127.0.0.1 that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Runs a program that serves on the port of its environment, and asks it for the status and text of some paths. */
export async function ask(
  program: string,
  environment: Readonly<Record<string, string>>,
  requests: readonly { readonly path: string; readonly token?: string }[],
): Promise<string[]> {
  const port = await freePort();
  const child = spawn(process.execPath, [program], {
    env: { PATH: process.env['PATH'], ...environment, PORT: String(port) },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let errors = '';
  child.stderr.on('data', (chunk) => {
    errors += chunk;
  });
  const ended = new Promise((resolve) => child.on('exit', resolve));
  try {
    const answers: string[] = [];
    for (const { path, token } of requests) {
      const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
      const response = await patiently(
        () => fetch(`http://127.0.0.1:${port}${path}`, { headers }),
        () => {
          if (child.exitCode !== null) throw new Error(`${program} ended: ${errors}`);
        },
      );
      answers.push(`${path} ${response.status} ${await response.text()}`);
    }
    return answers;
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
}

async function patiently<T>(attempt: () => Promise<T>, check: () => void): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await attempt();
    } catch (error) {
      check();
      if (tries === 400) throw error;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
}
