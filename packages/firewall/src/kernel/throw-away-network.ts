// A shell script where it can do no harm: in a network and a mount namespace that end with it.
import { ownNetwork } from './own-network.ts';
import { type Finished, type RunOptions, run } from './process.ts';

export type ThrownAway =
  | { readonly kind: 'ran'; readonly ran: Finished }
  /** No such namespaces can be made here; why, in words. */
  | { readonly kind: 'impossible'; readonly why: string };

/** $1: the network that must not be touched. The shell that checks where it is runs the script. */
const CHECK = `
own=$(readlink /proc/self/ns/net)
if [ -z "$own" ] || [ "$own" = "$1" ]; then echo 'not in a network namespace of its own' >&2; exit 97; fi
shift
`;

const NEW = ['--net', '--mount', '--propagation', 'private'];

/** As root, and as anybody who may make user namespaces. */
const UNSHARES: readonly (readonly string[])[] = [NEW, ['--user', '--map-root-user', ...NEW]];

/**
 * Runs `sh -c SCRIPT sh ARGS…` in namespaces of its own (unshare(1)): the machine's rules are out of its reach, and what
 * it mounts nobody else sees.
 */
export async function inThrowAwayNetwork(
  script: string,
  args: readonly string[] = [],
  options: RunOptions = {},
): Promise<ThrownAway> {
  const tries = process.geteuid?.() === 0 ? UNSHARES : UNSHARES.slice(1);
  const shell = ['sh', '-c', `${CHECK}${script}`, 'sh', ownNetwork(), ...args];
  let why = '';
  for (const flags of tries) {
    const ran = await run('unshare', [...flags, ...shell], options).catch((error: Error) => error);
    if (ran instanceof Error) return { kind: 'impossible', why: ran.message };
    if (ran.kind === 'missing') return { kind: 'impossible', why: 'unshare is not installed' };
    if (!ran.stderr.startsWith('unshare: ')) return { kind: 'ran', ran };
    why = ran.stderr.trim();
  }
  return { kind: 'impossible', why };
}
