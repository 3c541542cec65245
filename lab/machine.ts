// Machine: a network namespace that plays one computer.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { type CommandOptions, type CommandResult, commandOutput, runCommand } from './command.ts';

/** One played computer: its namespace, its addresses towards the others, and how to run programs on it. */
export type Machine = {
  readonly name: string;
  /** Where the namespace is mounted, `/run/netns/NAME`; `nsenter --net=PATH` enters it. */
  readonly path: string;
  readonly addresses: { readonly v4: string; readonly v6: string };
  /** The interface that leads to the other machines. */
  readonly interface: string;
  /** Runs a program to its end; a non-zero exit code is a result. */
  run(command: string, args?: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  /** Runs a program that has to succeed and gives its standard output. */
  output(command: string, args?: readonly string[], options?: CommandOptions): Promise<string>;
  /** Starts a program and gives the living process, with pipes. */
  spawn(command: string, args?: readonly string[], options?: SpawnOptions): ChildProcessWithoutNullStreams;
};

/** How to start a living program: environment on top of this process', working folder. */
export type SpawnOptions = {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
};

/** The handle of a namespace that exists already. */
export function machineAt(
  name: string,
  path: string,
  addresses: Machine['addresses'],
  interfaceName: string,
): Machine {
  // nsenter and not `ip netns exec`: the latter mounts a new /sys, and without its cgroups no engine starts.
  const inside = (command: string, args: readonly string[]): string[] => [`--net=${path}`, command, ...args];
  return {
    name,
    path,
    addresses,
    interface: interfaceName,
    run: (command, args = [], options = {}) => runCommand('nsenter', inside(command, args), options),
    output: (command, args = [], options = {}) => commandOutput('nsenter', inside(command, args), options),
    spawn: (command, args = [], options = {}) =>
      spawn('nsenter', inside(command, args), {
        stdio: ['pipe', 'pipe', 'pipe'],
        env: { ...process.env, ...options.env },
        ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      }),
  };
}
