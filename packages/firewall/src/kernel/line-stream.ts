// A long file, line by line, with an answer to each on stdout: neither is ever held as a whole.
import { createReadStream } from 'node:fs';
import { reason } from './text-file.ts';

const STDIN = 0;
/** No line that means anything is longer; the rest of it is passed over. */
const MOST_CHARACTERS = 1 << 16;

export interface Streamed {
  readonly lines: number;
  /** Whoever reads the answers went away. */
  readonly stopped: boolean;
}

/**
 * Gives each line of the file (`-`: stdin) to `answer`, and writes what that says with a line break to `out`, waiting
 * while `out` is full. A break at the end of the file begins no line. Rejects, in words, when the file cannot be read.
 */
export async function answerLines(
  path: string,
  answer: (line: string, number: number) => string,
  out: NodeJS.WriteStream = process.stdout,
): Promise<Streamed> {
  const source =
    path === '-' ? createReadStream('', { fd: STDIN, encoding: 'utf8' }) : createReadStream(path, 'utf8');
  let lines = 0;
  let rest = '';
  let stopped = false;
  const stop = (): void => {
    stopped = true;
    source.destroy();
  };
  out.once('error', stop).once('close', stop);
  const write = async (text: string): Promise<void> => {
    if (text === '' || stopped || out.write(text)) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        for (const event of ['drain', 'error', 'close']) out.off(event, done);
        resolve();
      };
      for (const event of ['drain', 'error', 'close']) out.once(event, done);
    });
  };
  try {
    for await (const chunk of source) {
      const parts = (rest + (chunk as string)).split('\n');
      rest = parts.pop()!.slice(0, MOST_CHARACTERS);
      let text = '';
      for (const part of parts) text += `${answer(part, ++lines)}\n`;
      await write(text);
      if (stopped) break;
    }
  } catch (error) {
    if (!stopped)
      throw new Error(`${path === '-' ? 'stdin' : path}: ${reason(error as NodeJS.ErrnoException)}`);
  } finally {
    out.off('error', stop).off('close', stop);
  }
  if (!stopped && rest !== '') await write(`${answer(rest, ++lines)}\n`);
  return { lines, stopped };
}
