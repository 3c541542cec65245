// What the package offers to strangers.

export * from './analyse/walk.ts';
export * from './model/expression.ts';
export * from './model/ruleset.ts';
export * from './model/value.ts';
export * from './net/address.ts';
export * from './net/interval.ts';
export * from './net/prefix.ts';
export * from './read/nft-json.ts';
export * from './render/difference.ts';
export * from './render/nft-change.ts';
export * from './render/nft-text.ts';
export * from './space/box-text.ts';
export * from './space/boxes.ts';
export * from './space/decision.ts';
export * from './space/field-match.ts';
export * from './space/fields.ts';
export * from './space/packet-fields.ts';
export * from './space/packet-set.ts';
export * from './space/packet-space.ts';
