// Which bridges lead to containers, as far as can be known now.
import type { ContainerLinks } from '../compile/container-links.ts';

/** Docker and nerdctl: `br-` and the first twelve digits of the network's id. */
const GENERATED_NAME = /^br-[0-9a-f]{12}$/;

/**
 * `interfaces`: all names there are; `engineBridges`: those that an engine calls its own. A bridge such as
 * br-lan that no engine claims leads to other machines.
 */
export function containerLinks(
  interfaces: readonly string[],
  engineBridges: readonly string[],
): ContainerLinks {
  const others = interfaces.filter(
    (name) => name.startsWith('br-') && !GENERATED_NAME.test(name) && !engineBridges.includes(name),
  );
  return { containers: engineBridges, others };
}
