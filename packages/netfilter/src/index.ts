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
export { TooLarge } from './space/bdd.ts';
export * from './space/box-text.ts';
export * from './space/boxes.ts';
export type { FieldValues, Mask } from './space/classes.ts';
export * from './space/decision.ts';
export type { FieldMatch, FieldValue } from './space/field-match.ts';
export {
  CT_STATES,
  type Field,
  type FieldSlice,
  type FieldSpec,
  type Layout,
  type LayoutOptions,
  NO_INTERFACE,
  type NumberField,
  OTHER_INTERFACE,
  VARIABLE_ORDERS,
  type VariableOrder,
  type WordField,
} from './space/fields.ts';
export * from './space/packet-fields.ts';
export * from './space/packet-set.ts';
export {
  type Budgeted,
  collectSpace,
  type Decision,
  type Diagram,
  hold,
  inSomeOrder,
  type PacketSet,
  type PacketSpace,
  type PacketSpaceOptions,
  packetSpace,
  release,
  spaceSize,
  tidySpace,
} from './space/packet-space.ts';
