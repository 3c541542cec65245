// Defect: one thing that ufw gets wrong, as data: how to see it on the real ufw, and what moat does instead.
import type { Agent } from '../../../lab/agent.ts';
import type { CommandResult } from '../../../lab/command.ts';
import type { Moat } from '../../../lab/moat.ts';
import type { Network } from '../../../lab/network.ts';
import type { Ufw } from '../../../lab/ufw.ts';

/** The ports on which something answers on the server, besides 22. */
export const SERVED = [80, 2222, 2223, 3306] as const;

/** What each test works with. Before each half the server has no rules at all. */
export type Ground = {
  readonly network: Network;
  /** Serves 22 and SERVED on the server, over TCP and both families. */
  readonly server: Agent;
  readonly outside: Agent;
  readonly third: Agent;
};

/** `ufw` and `moat` throw when they do not see what they should, and give what they saw in a few words. */
export type Defect = {
  /** The experiment's number in the record of ufw 0.36.2, or a word where there is none. */
  readonly number: string;
  readonly what: string;
  /** What ufw did when the record was made; stands in the table where it is not measured again. */
  readonly recorded: string;
  readonly ufw?: (ufw: Ufw, ground: Ground) => Promise<string>;
  readonly moat: (moat: Moat, ground: Ground) => Promise<string>;
};

export type Family = 'v4' | 'v6';

/** What a client gets over both families: `open`, `timeout`, `refused`, or `v4 timeout, v6 open`. */
export async function reach(
  { network, outside }: Ground,
  port: number,
  from: Agent = outside,
): Promise<string> {
  const dial = async (family: Family) =>
    (await from.dial(network.server.addresses[family], port, { timeoutMs: 300 })).result;
  const [v4, v6] = await Promise.all([dial('v4'), dial('v6')]);
  return v4 === v6 ? v4 : `v4 ${v4}, v6 ${v6}`;
}

/** Runs ufw and throws unless it says that all went well. */
export async function said(ufw: Ufw, ...words: string[]): Promise<string> {
  const result = await ufw.ufw(words);
  if (result.code !== 0) throw new Error(`ufw ${words.join(' ')}: ${result.code}\n${output(result)}`);
  return output(result);
}

/** Makes a change with moat that is final at once. */
export function sure(moat: Moat, ...words: string[]): Promise<string> {
  return moat.ok(...words, '--confirm', '0');
}

export function output({ stdout, stderr }: CommandResult): string {
  return stdout + stderr;
}

/** What puts a program where it sees ufw's private files. */
export async function insideOf(ufw: Ufw): Promise<string[]> {
  const { stdout } = await ufw.run('readlink', ['/proc/self/ns/mnt']);
  const { stdout: pids } = await ufw.run('sh', [
    '-c',
    'for p in /proc/[0-9]*; do [ "$(readlink $p/ns/mnt)" = "$(readlink /proc/self/ns/mnt)" ] && basename $p; done 2>/dev/null',
  ]);
  if (stdout === '') throw new Error('no mount namespace');
  return ['nsenter', `--mount=/proc/${pids.split('\n')[0]}/ns/mnt`];
}
