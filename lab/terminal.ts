// Terminal: somebody sits at a prompt on the server, in a terminal of his own, and may vanish.

import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CommandResult } from './command.ts';
import { ending } from './ssh.ts';
import { eventually } from './waiting.ts';

/** A shell at its prompt. */
export type Terminal = {
  /** Types a line and waits for its end; what it printed is in `stdout`, errors too. */
  run(line: string): Promise<CommandResult>;
  /** Types a line whose end is not waited for, such as one that starts tmux; done when a shell answers again. */
  enter(line: string): Promise<void>;
  /** Types `exit` and waits until the client has ended. */
  leave(): Promise<void>;
  /** Ends the client as a crash would, without a word to the server. */
  kill(): Promise<void>;
};

/**
 * @param client a program that is attached to a shell by a terminal, such as `ssh -tt`
 * @param what for the message when no shell answers
 */
export async function terminalOf(client: ChildProcessWithoutNullStreams, what: string): Promise<Terminal> {
  const closed = ending(client);
  const folder = await mkdtemp(join(tmpdir(), 'moat-terminal-'));
  // The person may be any user of the server.
  await chmod(folder, 0o777);
  let screen = '';
  const keep = (data: Buffer) => {
    screen = (screen + data.toString()).slice(-2000);
  };
  client.stdout.on('data', keep);
  client.stderr.on('data', keep);
  client.stdin.on('error', () => {});
  let lines = 0;
  // What a terminal shows is full of echoes and of movements; a file is not.
  const run = async (line: string): Promise<CommandResult> => {
    const file = join(folder, String(++lines));
    client.stdin.write(`( ${line} ) >${file} 2>&1; echo "code $?" >>${file}\n`);
    const said = async () => readFile(file, 'utf8').catch(() => '');
    if (!(await eventually(30_000, async () => /^code \d+\n/m.test(await said())))) {
      throw new Error(`${what}: no end of ${line}\n${screen}`);
    }
    const text = await said();
    const [, stdout = '', code] = /^([\s\S]*)code (\d+)\n$/.exec(text) ?? [];
    return { code: Number(code), stdout, stderr: '' };
  };
  const answers = async (): Promise<void> => {
    const file = join(folder, 'ready');
    // What is typed before a shell reads may be lost.
    const ready = await eventually(15_000, async () => {
      client.stdin.write(`echo ready >${file}${++lines}\n`);
      return eventually(300, async () => (await readFile(`${file}${lines}`).catch(() => '')) !== '');
    });
    if (!ready) throw new Error(`${what}: no shell answers\n${screen}`);
  };
  await answers();
  return {
    run,
    enter: async (line) => {
      client.stdin.write(`${line}\n`);
      await answers();
    },
    leave: async () => {
      client.stdin.write('exit\n');
      await closed;
    },
    kill: async () => {
      client.kill('SIGKILL');
      await closed;
      await rm(folder, { recursive: true, force: true });
    },
  };
}
