// What the package offers to strangers.

export * from './analyse/walk.ts';
export * from './model/certainty.ts';
export * from './model/expression.ts';
export * from './model/extension.ts';
export * from './model/ipset.ts';
export * from './model/names.ts';
export * from './model/nat.ts';
export * from './model/origin.ts';
export * from './model/ruleset.ts';
export * from './model/set.ts';
export * from './model/statement.ts';
export * from './model/value.ts';
export * from './model/verdict.ts';
export * from './net/address.ts';
export * from './net/interval.ts';
export * from './net/prefix.ts';
export * from './read/ipset.ts';
export * from './read/iptables-save.ts';
export * from './read/merge-iptables-nft.ts';
export * from './read/nft-json.ts';
export * from './read/recognise.ts';
export * from './render/difference.ts';
export * from './render/nft-change.ts';
export * from './render/nft-expression.ts';
export * from './render/nft-statement.ts';
export * from './render/nft-text.ts';
