// Which interfaces lead to containers, said so that networks made tomorrow are covered by rules loaded today.
import {
  type Expression,
  meta,
  type Rule,
  type SetSource,
  symbol,
  type Value,
  type Verdict,
} from '@moat/netfilter';

/** What the compiler must know of the machine, as interface names. */
export interface ContainerLinks {
  /** Bridges of container networks, by what the engines say. */
  readonly containers: readonly string[];
  /** Bridges that look like an engine's (`br-lan`) but lead to other machines. */
  readonly others: readonly string[];
  /** All bridges that there are. */
  readonly bridges: readonly string[];
}

export const NO_LINKS: ContainerLinks = { containers: [], others: [], bridges: [] };

/**
 * How engines name the bridges that they make: docker0 and br-<12 hex digits> (Docker, nerdctl), podman0…,
 * cni-podman0 (Podman). A user-defined network made after the rules were loaded has a name like these.
 */
const ENGINE_NAMES = ['docker0', 'br-*', 'podman*', 'cni-*'] as const;

function isEngineName(name: string): boolean {
  return ENGINE_NAMES.some((pattern) =>
    pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern,
  );
}

function isContainers(name: string, links: ContainerLinks): boolean {
  return isEngineName(name) || links.containers.includes(name);
}

/** The bridges that lead to containers, by their names and by what the engines say. */
export function containerBridges(links: ContainerLinks): string[] {
  return links.bridges.filter((name) => isContainers(name, links) && !links.others.includes(name));
}

function names(list: readonly string[]): Value | SetSource {
  const elements = [...new Set(list)].sort().map(symbol);
  return elements.length === 1 ? elements[0]! : { kind: 'elements', elements };
}

/** The rule that sends what comes from (`iifname`) or goes to (`oifname`) containers to `verdict`. */
export function containerRule(key: 'iifname' | 'oifname', links: ContainerLinks, verdict: Verdict): Rule {
  const extra = links.containers.filter((name) => !isEngineName(name));
  return linkRule(meta(key), names([...ENGINE_NAMES, ...extra]), verdict);
}

/** The exceptions that must stand before it. */
export function otherBridgeRules(
  key: 'iifname' | 'oifname',
  links: ContainerLinks,
  verdict: Verdict,
): Rule[] {
  const others = links.others.filter(isEngineName);
  return others.length === 0 ? [] : [linkRule(meta(key), names(others), verdict)];
}

function linkRule(left: Expression, right: Value | SetSource, verdict: Verdict): Rule {
  return {
    comment: 'moat:containers',
    statements: [
      { kind: 'match', operator: '==', left, right },
      { kind: 'verdict', verdict },
    ],
  };
}

/**
 * Frames that cross a bridge between two of its ports come to `forward` where br_netfilter is on (Docker switches it
 * on): nobody routes them, and each port's machine could send them to the other without this host.
 */
export function bridgedRules(links: ContainerLinks): Rule[] {
  // Between containers it is the containers' own rule that lets them pass.
  const named = links.bridges.filter((name) => links.others.includes(name) || !isContainers(name, links));
  return [...new Set(named)].sort().map((name) => ({
    comment: 'moat:bridged',
    statements: [
      { kind: 'match', operator: '==', left: meta('iifname'), right: symbol(name) },
      { kind: 'match', operator: '==', left: meta('oifname'), right: symbol(name) },
      { kind: 'verdict', verdict: { kind: 'accept' } },
    ],
  }));
}
