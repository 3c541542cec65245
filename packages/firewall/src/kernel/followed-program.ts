// A program that tells of events for as long as it runs, line by line; when it ends it is started again.
import { type ChildProcess, spawn } from 'node:child_process';
import { toolPath } from './process.ts';

export interface Follower {
  readonly onLine: (line: string) => void;
  /** It listens, for the first time or again: what happened before has not been told. */
  readonly onListening: () => void;
  /** It ended by itself; `why` in words. It is started again. */
  readonly onLost: (why: string) => void;
}

/** What is told before this has passed may be missed: no program says when it has begun to listen. */
const BEGINS_MS = 250;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 10_000;
/** One that lived so long did not fail at its start. */
const SOUND_MS = 5000;
const MOST_CHARACTERS = 1 << 16;

/** Starts it, with English messages, and gives what ends it. Never throws: a program that is missing is `onLost`. */
export function followProgram(command: string, args: readonly string[], follower: Follower): () => void {
  let child: ChildProcess | undefined;
  let stopped = false;
  let pause = FIRST_PAUSE_MS;
  let timer: NodeJS.Timeout | undefined;
  const later = (ms: number, work: () => void): void => {
    clearTimeout(timer);
    timer = setTimeout(work, ms);
  };
  const lost = (why: string, lived: number): void => {
    if (stopped) return;
    pause = lived > SOUND_MS ? FIRST_PAUSE_MS : Math.min(pause * 2, LONGEST_PAUSE_MS);
    follower.onLost(why);
    later(pause, start);
  };
  function start(): void {
    const begun = performance.now();
    let said = '';
    let failure: string | undefined;
    child = spawn(command, args, {
      env: { ...process.env, LC_ALL: 'C', PATH: toolPath() },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const lines = lineReader(follower.onLine);
    child.stdout?.on('data', (chunk: Buffer) => lines(chunk.toString('utf8')));
    child.stderr?.on('data', (chunk: Buffer) => {
      said = `${said}${chunk.toString('utf8')}`.slice(-1000);
    });
    child.on('error', (error: NodeJS.ErrnoException) => {
      failure = error.code === 'ENOENT' ? `${command} is not installed` : error.message;
      if (child?.pid === undefined) lost(failure, 0);
    });
    child.on('close', (code, signal) => {
      if (failure !== undefined && child?.pid === undefined) return;
      const end = signal === null ? `exit code ${code}` : signal;
      lost(`${command} ended (${said.trim().split('\n')[0] || end})`, performance.now() - begun);
    });
    later(BEGINS_MS, follower.onListening);
  }
  start();
  return () => {
    stopped = true;
    clearTimeout(timer);
    child?.kill('SIGKILL');
  };
}

/** Gives each whole line; what is longer than any line that means something is cut. */
export function lineReader(onLine: (line: string) => void): (chunk: string) => void {
  let rest = '';
  return (chunk) => {
    const lines = `${rest}${chunk}`.split('\n');
    rest = lines.pop()!.slice(0, MOST_CHARACTERS);
    for (const line of lines) onLine(line);
  };
}
