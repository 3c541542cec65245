// What a policy's meaning depends on besides its sentences: which interfaces lead to containers, which are bridges.

/** The same facts that the rules are made from, as names of interfaces. */
export interface MachineFacts {
  /** Bridges of container networks, by what the engines say. */
  readonly containers: readonly string[];
  /** Bridges whose names look like an engine's and that lead to other machines. */
  readonly others: readonly string[];
  /** All bridges that there are. */
  readonly bridges: readonly string[];
}

/** What container engines call the bridges that they make; a `+` stands for any ending. */
export const ENGINE_BRIDGES: readonly string[] = ['docker0', 'br-+', 'podman+', 'cni-+'];

/** Whether an interface name fits a name as sentences write it; `+` at its end stands for any ending, also for none. */
export function fitsInterface(pattern: string, name: string): boolean {
  return pattern.endsWith('+') ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}

/** Whether what is behind this interface are containers on this host. */
export function leadsToContainers(name: string, { containers, others }: MachineFacts): boolean {
  const isEngines = ENGINE_BRIDGES.some((pattern) => fitsInterface(pattern, name));
  return isEngines ? !others.includes(name) : containers.includes(name);
}
