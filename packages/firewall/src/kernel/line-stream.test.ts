// Answers to lines: all of them, in order, and no faster than they are read.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { answerLines } from './line-stream.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'moat-lines-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Takes what is written a little later, and knows the most that ever waited. */
function slowOutput() {
  let text = '';
  let most = 0;
  const stream = new Writable({
    highWaterMark: 1024,
    write(chunk: Buffer, _, done) {
      text += chunk.toString();
      most = Math.max(most, stream.writableLength);
      setImmediate(done);
    },
  });
  return { stream: stream as unknown as NodeJS.WriteStream, text: () => text, most: () => most };
}

async function answered(content: string): Promise<{ text: string; lines: number; most: number }> {
  const file = join(folder, 'lines');
  writeFileSync(file, content);
  const { stream, text, most } = slowOutput();
  const { lines } = await answerLines(file, (line, number) => `${number}:${line}`, stream);
  await new Promise((resolve) => setImmediate(resolve));
  return { text: text(), lines, most: most() };
}

test.each([
  ['a\nb\n', '1:a\n2:b\n'],
  ['a\nb', '1:a\n2:b\n'],
  ['', ''],
  ['\n\n', '1:\n2:\n'],
  ['ä€\n', '1:ä€\n'],
])('%j', async (content, expected) => {
  expect((await answered(content)).text).toBe(expected);
});

test('a long file: every line once, and never more than a piece of it waits', async () => {
  const count = 100_000;
  const { text, lines, most } = await answered(
    Array.from({ length: count }, (_, i) => `line ${i}\n`).join(''),
  );
  expect(lines).toBe(count);
  const answers = text.trimEnd().split('\n');
  expect(answers).toHaveLength(count);
  expect(answers.every((answer, i) => answer === `${i + 1}:line ${i}`)).toBe(true);
  expect(most).toBeLessThan(200_000);
});

test('a line without an end does not fill the memory', async () => {
  const { text, lines } = await answered('x'.repeat(1_000_000));
  expect(lines).toBe(1);
  expect(text.length).toBeLessThan(70_000);
});

test('a reader that goes away ends it', async () => {
  const file = join(folder, 'lines');
  writeFileSync(file, 'line\n'.repeat(100_000));
  const { stream } = slowOutput();
  const done = answerLines(file, () => 'x'.repeat(100), stream);
  setImmediate(() => (stream as unknown as Writable).destroy());
  expect(await done).toMatchObject({ stopped: true });
});

test('a file that is not there is told by name', async () => {
  await expect(answerLines(join(folder, 'none'), String)).rejects.toThrow(
    `${join(folder, 'none')}: there is no such file`,
  );
});
