// The session that a command is given in: its terminal, over which connections somebody sits there, and what dies with it.
import { readdirSync, readlinkSync } from 'node:fs';
import type { AdminConnection } from './admin-connections.ts';
import { ancestors, type ProcessStat, processTree, readProcess } from './processes.ts';
import { deviceName } from './who.ts';

export type Session =
  /** Somebody came in over the network. */
  | {
      readonly kind: 'connected';
      /** Those through which this terminal can be seen now: one, or those of a multiplexer's clients. */
      readonly connections: readonly AdminConnection[];
      /** The terminal multiplexer that stands between, by the name of its process: `tmux: server`, `screen`. */
      readonly through: string | undefined;
      /**
       * A terminal with a shell at its prompt, which goes on after this command: only then does the session's end mean
       * anything. `ssh host moat …` ends by itself.
       */
      readonly interactive: boolean;
      /** What carries it, one for each connection, such as sshd's process: it ends when none of them is there any more. */
      readonly carriers: readonly ProcessMark[];
    }
  /** The machine's own screen or serial line, which no rule reaches. `terminal`: `tty1`, `ttyS0`. */
  | { readonly kind: 'console'; readonly terminal: string }
  /** Nothing leads from here to somebody: cron, a daemon, a multiplexer that nobody looks at. */
  | { readonly kind: 'unknown' };

/** `PID:START`, where START is field 22 of /proc/PID/stat: a pid that is given again does not fit. */
export type ProcessMark = string;

/** The session of `self`. `connections`: those of admins (`adminConnections`). */
export function readSession(
  connections: readonly AdminConnection[],
  { proc = '/proc', self = process.pid }: { proc?: string; self?: number } = {},
): Session {
  const tree = processTree(proc);
  const chain = ancestors(self, tree);
  const direct = carrierOf(chain.slice(1), connections);
  const multiplexer = direct === undefined ? viewersOf(chain.slice(1), tree, connections, proc) : undefined;
  const found = direct === undefined ? (multiplexer?.carriers ?? []) : [direct];
  if (found.length > 0) {
    // Our line of processes begins below what carries it.
    const above = direct?.pid ?? multiplexer?.pid ?? 0;
    return {
      kind: 'connected',
      connections: found.map(({ connection }) => connection),
      through: multiplexer === undefined ? undefined : tree.get(multiplexer.pid)?.name,
      interactive:
        (tree.get(self)?.terminal ?? 0) > 0 && isAtPrompt(chain[chain.indexOf(above) - 1] ?? self, proc),
      carriers: found.map(({ pid }) => `${pid}:${tree.get(pid)?.start ?? 0}`),
    };
  }
  const terminals = [self, ...(multiplexer?.viewers ?? [])].map((pid) => tree.get(pid)?.terminal ?? 0);
  const terminal = terminals.map(deviceName).find((name) => name !== undefined && CONSOLE.test(name));
  return terminal === undefined ? { kind: 'unknown' } : { kind: 'console', terminal };
}

/** Screens, serial lines and the consoles of virtual machines. */
const CONSOLE = /^(?:tty\d+|ttyS\d+|hvc\d+)$/;

interface Carrier {
  readonly pid: number;
  readonly connection: AdminConnection;
}

/** The nearest process upwards that holds one of the connections: what moves the bytes between terminal and network. */
function carrierOf(chain: readonly number[], connections: readonly AdminConnection[]): Carrier | undefined {
  for (const pid of chain) {
    const connection = connections.find(({ processes }) => processes.some((one) => one.pid === pid));
    if (connection !== undefined) return { pid, connection };
  }
  return undefined;
}

/**
 * tmux and screen are nobody's child, but they have the terminals of their clients open. That of such a client leads
 * to the connection that it came by.
 */
function viewersOf(
  chain: readonly number[],
  tree: ReadonlyMap<number, ProcessStat>,
  connections: readonly AdminConnection[],
  proc: string,
):
  | { readonly pid: number; readonly viewers: readonly number[]; readonly carriers: readonly Carrier[] }
  | undefined {
  for (const pid of chain) {
    const own = deviceName(tree.get(pid)?.terminal ?? 0);
    const others = new Set(openTerminals(pid, proc).filter((name) => name !== own));
    if (others.size === 0) continue;
    const viewers = [...tree]
      .filter(([, { terminal }]) => others.has(deviceName(terminal) ?? ''))
      .map(([viewer]) => viewer)
      // A shell inside has a terminal of its own, which the multiplexer does not have open but made.
      .filter((viewer) => !ancestors(viewer, tree).includes(pid));
    if (viewers.length === 0) continue;
    const carriers = new Map<number, Carrier>();
    for (const viewer of viewers) {
      const carrier = carrierOf(ancestors(viewer, tree), connections);
      if (carrier !== undefined) carriers.set(carrier.pid, carrier);
    }
    return { pid, viewers, carriers: [...carriers.values()] };
  }
  return undefined;
}

/** `pts/3`, `tty1`: the terminals among a process's open files. */
function openTerminals(pid: number, proc: string): string[] {
  try {
    return readdirSync(`${proc}/${pid}/fd`).flatMap((fd) => {
      const name = /^\/dev\/((?:pts\/|tty|ttyS|hvc)\d+)$/.exec(readlinkSync(`${proc}/${pid}/fd/${fd}`))?.[1];
      return name === undefined ? [] : [name];
    });
  } catch {
    // It ended, or it is not ours to look at.
    return [];
  }
}

/** A shell that was given nothing to run: `-bash`, `sh`, `/bin/zsh -l`, and not `sh -c '…'` or a menu. */
function isAtPrompt(pid: number, proc: string): boolean {
  const [program = '', ...rest] = readProcess(pid, proc)?.args ?? [];
  return SHELL.test(program) && rest.every((word) => /^-/.test(word) && !/^-[a-z]*c/.test(word));
}

const SHELL = /^(?:-|.*\/)?(?:ba|da|z|k|mk|pdk|fi|c|tc|a|r|rba)?sh$/;
