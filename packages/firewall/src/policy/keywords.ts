// The words that have a meaning of their own, and those that will get one.

export const ACTIONS = ['allow', 'deny', 'reject', 'limit'] as const;
export const VERDICTS = ['allow', 'deny', 'reject'] as const;
export const PROTOCOLS = ['any', 'tcp', 'udp', 'ah', 'esp', 'gre', 'vrrp', 'ipv6', 'igmp'] as const;
export const LOG_LEVELS = ['off', 'low', 'medium', 'high', 'full'] as const;
export const OPENERS = [...ACTIONS, 'default', 'logging', 'group', 'expect'] as const;
export const CLAUSES = ['from', 'to', 'port', 'proto', 'for', 'until', 'comment'] as const;

/** Words of the language that are not understood yet; a name cannot take them either. */
export const LATER = ['route', 'log', 'log-all', 'app', 'container'] as const;

/** No group may have one of these names. */
export const RESERVED: ReadonlySet<string> = new Set([
  ...OPENERS,
  ...CLAUSES,
  ...PROTOCOLS,
  ...LATER,
  ...['in', 'out', 'on', 'rule', 'insert', 'prepend', 'delete', 'incoming', 'outgoing', 'routed'],
]);
