// What the package offers to strangers.

export * from './analyse/difference.ts';
export * from './analyse/walk.ts';
export * from './model/expression.ts';
export * from './model/protocol.ts';
export * from './model/ruleset.ts';
export * from './model/value.ts';
export * from './net/address.ts';
export * from './net/interval.ts';
export * from './net/prefix.ts';
export * from './read/nft-json.ts';
export * from './render/nft-change.ts';
export * from './render/nft-text.ts';
