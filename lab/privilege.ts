// Privilege: is this root of the machine, or only root of a user namespace of its own?
import { readFileSync } from 'node:fs';

/** Real root can play several users, start engines and mount anything; sshd, ufw and Docker need that. */
export function isRealRoot(): boolean {
  const [inside, outside, count] = readFileSync('/proc/self/uid_map', 'utf8').trim().split(/\s+/).map(Number);
  return process.getuid?.() === 0 && inside === 0 && outside === 0 && count === 4294967295;
}
