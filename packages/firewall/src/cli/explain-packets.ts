// moat explain --packets FILE.jsonl
import { answerLines } from '../kernel/line-stream.ts';
import { packetAnswers } from '../report/packet-answers.ts';
import type { Context } from './context.ts';
import { ExitCode } from './exit-code.ts';
import { readInput } from './input.ts';
import { failure, say } from './say.ts';

/** One answer a line, in the order of the packets; exit code 2 where a line was no packet. */
export async function explainPackets(context: Context, file: string): Promise<void> {
  const { snapshot, rulesets } = context.options;
  if (file === '-' && [snapshot, ...rulesets].includes('-')) {
    const message = 'stdin can be the packets or the rules, not both: give one of them as a file';
    return say(context, failure(ExitCode.mistake, 'input', message));
  }
  const read = await readInput(context);
  if (!read.ok) return say(context, read.answer);
  const { ruleset, host, problems } = read.input;
  const watched = process.stderr.isTTY === true;
  if (watched) for (const { message } of problems) process.stderr.write(`note: ${message}\n`);
  const answer = packetAnswers(ruleset, host);
  let mistakes = 0;
  const begun = performance.now();
  let lines: number;
  try {
    ({ lines } = await answerLines(file, (text, number) => {
      const { ok, text: answered } = answer(text, number);
      if (!ok) mistakes++;
      return answered;
    }));
  } catch (error) {
    return say(context, failure(ExitCode.mistake, 'input', (error as Error).message));
  }
  process.exitCode = mistakes === 0 ? ExitCode.done : ExitCode.mistake;
  if (!watched) return;
  const seconds = (performance.now() - begun) / 1000;
  const rate = Math.round((lines / seconds) * 60).toLocaleString('en-US');
  const wrong = mistakes === 0 ? '' : `, ${mistakes} of them no packets`;
  process.stderr.write(`${lines} lines${wrong} in ${seconds.toFixed(1)} s (${rate} a minute)\n`);
}
