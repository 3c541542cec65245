// The bridges of this network namespace.
import { run } from './process.ts';

/** Their names, by `ip link show type bridge`; none where `ip` is missing or does not know the kind. */
export async function bridgeNames(): Promise<string[]> {
  const ran = await run('ip', ['-j', 'link', 'show', 'type', 'bridge']);
  if (ran.kind === 'missing') return [];
  // Rules depend on it: an answer that got lost is not the answer that there are none.
  if (ran.signal !== undefined) throw new Error(`ip -j link show type bridge: ended by ${ran.signal}`);
  if (ran.code !== 0) return [];
  // ip prints an empty object for each interface of another kind.
  const links = JSON.parse(ran.stdout || '[]') as { readonly ifname?: string }[];
  return links.flatMap(({ ifname }) => (ifname === undefined ? [] : [ifname]));
}
