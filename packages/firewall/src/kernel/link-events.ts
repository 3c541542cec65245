// Interfaces that come and go, and their addresses, as `ip monitor` tells it.
import { type Follower, followProgram } from './followed-program.ts';

/** Calls back for each change, until the function that it gives is called. */
export function watchLinks(
  follower: Omit<Follower, 'onLine'> & { readonly onChange: () => void },
): () => void {
  const { onChange, ...rest } = follower;
  return followProgram('ip', ['monitor', 'link', 'address'], { ...rest, onLine: onChange });
}
