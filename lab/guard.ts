// Guard: refuses to work in the network namespace that the machine itself lives in.
import { readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Throws unless this process is in a network namespace that was made for it. To be called by the same process that
 * then creates networks or changes rules.
 *
 * A namespace is told by the link /proc/PID/ns/net or, where PID 1 hides that even from root, by the inode of
 * /proc/PID/net/dev: each namespace has files of its own there (proc_pid_net(5)). Where PID 1 cannot be seen at all, a
 * user namespace is enough, for it holds no power over the machine's network (user_namespaces(7)). No evidence is a no.
 *
 * @param proc where proc(5) is mounted; only tests give another folder
 */
export function assertPrivateNetwork(proc = '/proc'): void {
  for (const tell of [byLink, byFile]) {
    const own = tell(join(proc, 'self'));
    const first = tell(join(proc, '1'));
    if (own === undefined || first === undefined) continue;
    if (own === first) refuse(`PID 1 is in it as well (${own})`);
    return;
  }
  if (hasIdentityMap(proc)) refuse('nothing tells whether PID 1 is in it as well');
}

function refuse(reason: string): never {
  throw new Error(
    `expected a private network namespace, got the machine's own: ${reason}. Start it through \`npm test\` or \`npm start\`.`,
  );
}

const byLink = (process: string): string | undefined =>
  ifReadable(() => readlinkSync(join(process, 'ns', 'net')));

const byFile = (process: string): string | undefined =>
  ifReadable(() => `net/dev has inode ${statSync(join(process, 'net', 'dev')).ino}`);

function ifReadable(read: () => string): string | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

function hasIdentityMap(proc: string): boolean {
  const map = readFileSync(join(proc, 'self', 'uid_map'), 'utf8');
  return map.trim().split(/\s+/).join(' ') === '0 0 4294967295';
}
