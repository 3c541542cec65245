// One place that writes to the terminal: words for people, one JSON value for scripts.
import pc from 'picocolors';
import { ExitCode } from './exit-code.ts';
import { endProgress } from './progress.ts';

/** What a verb has to tell. `text` is for people; `json` is the whole answer for scripts. */
export interface Answer {
  readonly code: ExitCode;
  readonly text: string;
  readonly json: object;
}

/** Prints it and makes its code the exit code. Errors go to stderr for people, to stdout as JSON for scripts. */
export function say(context: { readonly options: { readonly json: boolean } }, answer: Answer): void {
  process.exitCode = answer.code;
  endProgress();
  if (context.options.json) {
    const ok = answer.code === ExitCode.done;
    process.stdout.write(`${JSON.stringify({ ok, ...answer.json }, null, 2)}\n`);
    return;
  }
  const stream = answer.code === ExitCode.done ? process.stdout : process.stderr;
  if (answer.text !== '') stream.write(`${answer.text}\n`);
}

/** An answer that is an error: what happened, as one message. */
export function failure(code: ExitCode, error: string, message: string, more: object = {}): Answer {
  return { code, text: `${colour.error('ERROR')} ${message}`, json: { error, message, ...more } };
}

/** Colours where stderr and stdout are terminals and NO_COLOR does not forbid them (picocolors looks). */
export const colour = {
  error: (text: string): string => (process.stderr.isTTY ? pc.red(text) : text),
  warning: (text: string): string => (process.stderr.isTTY ? pc.yellow(text) : text),
  heading: (text: string): string => (process.stdout.isTTY ? pc.bold(text) : text),
  open: (text: string): string => (process.stdout.isTTY ? pc.green(text) : text),
  closed: (text: string): string => (process.stdout.isTTY ? pc.red(text) : text),
} as const;
