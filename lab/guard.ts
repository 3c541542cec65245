// Guard: refuses to work in the network namespace that the machine itself lives in.
import { readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Throws unless this process is in a network namespace that was made for it. To be called by the same process that
 * then creates networks or changes rules.
 *
 * Evidence, strongest first: PID 1's namespace is another one; or PID 1 is hidden from us and we are in a user
 * namespace (which holds no power over the machine's network, user_namespaces(7)); or PID 1 is hidden and a process
 * that we descend from is in another network namespace. No evidence means no.
 *
 * @param proc where proc(5) is mounted; only tests give another folder
 */
export function assertPrivateNetwork(proc = '/proc'): void {
  const own = namespaceOf(proc, 'self');
  if (own === undefined) refuse(`${proc}/self/ns/net cannot be read`);
  const first = namespaceOf(proc, '1');
  if (first === own) refuse(`this is the network namespace of PID 1 (${own})`);
  if (first !== undefined) return;
  if (!hasIdentityMap(proc)) return;
  if (!ancestors(proc).some((pid) => differs(namespaceOf(proc, pid), own))) {
    refuse(`PID 1's namespace cannot be read and every process above this one is in ${own} too`);
  }
}

function refuse(reason: string): never {
  throw new Error(
    `expected a private network namespace, got the machine's own: ${reason}. Start it through \`npm test\` or \`npm start\`.`,
  );
}

function namespaceOf(proc: string, pid: string): string | undefined {
  try {
    return readlinkSync(join(proc, pid, 'ns', 'net'));
  } catch {
    return undefined;
  }
}

const differs = (namespace: string | undefined, own: string): boolean =>
  namespace !== undefined && namespace !== own;

function hasIdentityMap(proc: string): boolean {
  const map = readFileSync(join(proc, 'self', 'uid_map'), 'utf8');
  return map.trim().split(/\s+/).join(' ') === '0 0 4294967295';
}

function ancestors(proc: string): string[] {
  const found: string[] = [];
  let pid = parentOf(proc, 'self');
  while (pid !== undefined && pid !== '0' && !found.includes(pid)) {
    found.push(pid);
    pid = parentOf(proc, pid);
  }
  return found;
}

function parentOf(proc: string, pid: string): string | undefined {
  try {
    const stat = readFileSync(join(proc, pid, 'stat'), 'utf8');
    // The second field is the command's name in brackets and may hold anything, brackets and spaces too.
    return stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .at(1);
  } catch {
    return undefined;
  }
}
