// The names of this network namespace's interfaces, without starting a program.
import { readFileSync } from 'node:fs';

/** From `/proc/self/net/dev`, which follows the process's namespace; `/sys/class/net` may show another's. */
export function interfaceNames(proc = '/proc'): string[] {
  const text = readFileSync(`${proc}/self/net/dev`, 'utf8');
  return [...text.matchAll(/^\s*(\S+):\s/gm)].map((match) => match[1]!);
}
