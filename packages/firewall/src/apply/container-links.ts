// Which bridges lead to containers, as far as can be known now.
import type { ContainerLinks } from '../compile/container-links.ts';
import { bridgeNames } from '../kernel/bridges.ts';
import type { Docker } from '../kernel/docker.ts';
import { interfaceNames } from '../kernel/interface-names.ts';

/** Docker and nerdctl: `br-` and the first twelve digits of the network's id. */
const GENERATED_NAME = /^br-[0-9a-f]{12}$/;

/**
 * `interfaces`: all names there are; `engineBridges`: those that an engine calls its own; `bridges`: all. A bridge such as
 * br-lan that no engine claims leads to other machines.
 */
function linksAmong(
  interfaces: readonly string[],
  engineBridges: readonly string[],
  bridges: readonly string[],
): ContainerLinks {
  const others = interfaces.filter(
    (name) => name.startsWith('br-') && !GENERATED_NAME.test(name) && !engineBridges.includes(name),
  );
  return { containers: engineBridges, others, bridges };
}

/** As the machine and what its engine said (`docker`) have it now. */
export async function containerLinks(docker: Docker | undefined): Promise<ContainerLinks> {
  const engineBridges = docker?.kind === 'engine' ? docker.networks.map(({ bridge }) => bridge) : [];
  return linksAmong(interfaceNames(), engineBridges, await bridgeNames());
}
