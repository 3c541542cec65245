// moat daemon: watches until it is ended; --install and --remove make systemd run it
import {
  DAEMON_UNIT,
  daemonUnitRefusal,
  installDaemon,
  isDaemonInstalled,
  removeDaemon,
} from '../apply/daemon-unit.ts';
import { runDaemon } from '../daemon/daemon.ts';
import { forgetDaemon, runningDaemon, writeDaemon } from '../kernel/daemon-file.ts';
import { appendEvent, eventFile } from '../kernel/event-file.ts';
import { hasBootRules, makeFolders } from '../kernel/state.ts';
import { type DaemonEvent, eventWords, isAlarming, type ToldEvent } from '../report/daemon-event.ts';
import type { Context } from './context.ts';
import { ExitCode } from './exit-code.ts';
import { type Answer, failure, say } from './say.ts';

export async function daemonVerb(
  context: Context,
  { install, remove }: { readonly install: boolean; readonly remove: boolean },
): Promise<void> {
  if (install && remove) {
    const message = '--install and --remove are given: expected one of them';
    return say(context, failure(ExitCode.mistake, 'daemon', message));
  }
  if (install) return say(context, await installed(context));
  if (remove) return say(context, await removed(context));
  const running = runningDaemon(context.paths);
  if (running !== undefined) {
    const message = `a daemon watches here already (pid ${running.pid}, since ${running.since})`;
    return say(context, failure(ExitCode.busy, 'busy', message));
  }
  await watch(context);
}

async function watch(context: Context): Promise<void> {
  const { paths, services, options } = context;
  const ending = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.once(signal, () => ending.abort());
  ending.signal.addEventListener('abort', () => setTimeout(endAnyway, LONGEST_END_MS, context));
  makeFolders(paths);
  writeDaemon(paths);
  const inWords = process.stdout.isTTY && !options.json;
  const tell = (event: DaemonEvent): void => {
    const told: ToldEvent = { time: new Date().toISOString(), ...event };
    const line = JSON.stringify(told);
    process.stdout.write(`${inWords ? `${told.time} ${eventWords(event)}` : `${priority(event)}${line}`}\n`);
    try {
      appendEvent(paths, line);
    } catch (error) {
      // Watching goes on without the file.
      process.stderr.write(`${eventFile(paths)}: ${(error as Error).message}\n`);
    }
  };
  try {
    await runDaemon({ paths, services, tell, signal: ending.signal });
  } finally {
    forgetDaemon(paths);
  }
  process.exit(ExitCode.done);
}

/** Whoever waits for the lock shall not keep it from ending. */
const LONGEST_END_MS = 2000;

function endAnyway({ paths }: Context): void {
  forgetDaemon(paths);
  process.exit(ExitCode.done);
}

/** What the journal takes for a line's level (sd-daemon(3)). */
function priority(event: DaemonEvent): string {
  if (process.env['JOURNAL_STREAM'] === undefined) return '';
  return isAlarming(event) ? '<4>' : '<6>';
}

async function installed({ paths, options }: Context): Promise<Answer> {
  const refusal = daemonUnitRefusal(paths);
  if (refusal !== undefined) {
    const message =
      `no unit can be installed: ${refusal}. Without systemd, let what supervises your programs run ` +
      '`moat daemon`: it stays in the foreground and ends with SIGTERM';
    return failure(ExitCode.failed, 'failed', message);
  }
  const program = process.argv[1]!;
  const command = [process.execPath, ...process.execArgv, program, 'daemon'];
  if (options.dryRun) return done(`${DAEMON_UNIT} would be installed and started`, false);
  const result = await installDaemon(paths, command);
  if (result.kind === 'failed') return failure(ExitCode.failed, 'failed', result.reason);
  const runs = !hasBootRules(paths)
    ? 'it starts when moat is enabled and that is confirmed'
    : `it runs; what it tells: journalctl -u ${DAEMON_UNIT}`;
  return done(`${DAEMON_UNIT} is installed: ${runs}`, true);
}

async function removed({ paths, options }: Context): Promise<Answer> {
  if (!isDaemonInstalled(paths)) return done(`${DAEMON_UNIT} is not installed`, false);
  if (options.dryRun) return done(`${DAEMON_UNIT} would be stopped and removed`, false);
  const result = await removeDaemon();
  if (result.kind === 'failed') return failure(ExitCode.failed, 'failed', result.reason);
  return done(`${DAEMON_UNIT} is stopped and removed`, true);
}

function done(text: string, changed: boolean): Answer {
  return { code: ExitCode.done, text, json: { changed } };
}
