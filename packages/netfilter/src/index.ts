// What the package offers to strangers.

export * from './difference/compared-roads.ts';
export * from './difference/difference-boxes.ts';
export * from './difference/difference-cause.ts';
export * from './difference/ruleset-difference.ts';
export * from './exposure/arrivals.ts';
export * from './exposure/exposure.ts';
export type {
  Certainty,
  ClosedSocket,
  Exposure,
  ExposureInput,
  Exposures,
  FamilyExposures,
  OtherExposure,
  Passage,
} from './exposure/kinds.ts';
export { NO_FIREWALL, type Opener } from './exposure/opener.ts';
export { networksOf, type Places } from './exposure/sources.ts';
export type { ContainerWay, ExposureProtocol, Reaches } from './exposure/target.ts';
export * from './model/certainty.ts';
export * from './model/expression.ts';
export * from './model/extension.ts';
export * from './model/host.ts';
export * from './model/inline-set.ts';
export * from './model/ipset.ts';
export * from './model/names.ts';
export * from './model/nat.ts';
export * from './model/origin.ts';
export * from './model/ruleset.ts';
export * from './model/set.ts';
export * from './model/snapshot.ts';
export * from './model/statement.ts';
export * from './model/value.ts';
export * from './model/verdict.ts';
export * from './net/address.ts';
export * from './net/interval.ts';
export * from './net/prefix.ts';
export * from './net/protocol.ts';
export * from './owner/owner.ts';
export * from './questions/idle-rules.ts';
export * from './questions/questions.ts';
export * from './read/dumps.ts';
export * from './read/ipset.ts';
export * from './read/iptables-save.ts';
export * from './read/merge-iptables-nft.ts';
export * from './read/nft-json.ts';
export * from './read/recognise.ts';
export type { ShapeProblem } from './read/shape.ts';
export * from './read/snapshot.ts';
export * from './read/snapshot-host.ts';
export * from './read/snapshot-ruleset.ts';
export { canonicalLines } from './render/canonical.ts';
export * from './render/difference.ts';
export * from './render/nft-change.ts';
export * from './render/nft-expression.ts';
export * from './render/nft-statement.ts';
export * from './render/nft-text.ts';
export { conditionWords } from './render/words/condition.ts';
export { hookWords, priorityWords } from './render/words/hook.ts';
export { ruleWords } from './render/words/rule.ts';
export type { Surroundings } from './render/words/value.ts';
export { verdictWords } from './render/words/verdict.ts';
export * from './semantics/route-lookup.ts';
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
  type OrderOptions,
  type PacketSet,
  type PacketSpace,
  type PacketSpaceOptions,
  packetSpace,
  release,
  spaceSize,
  tidySpace,
} from './space/packet-space.ts';
export * from './space/split.ts';
export * from './symbolic/analysis.ts';
export * from './symbolic/road.ts';
export { type RulesetView, viewOf } from './symbolic/scope.ts';
export * from './walk/hook.ts';
export * from './walk/journey.ts';
export * from './walk/plain-packet.ts';
export {
  type PrepareOptions,
  prepareWalk,
  type StepVerdict,
  type WalkFunction,
  type WalkHook,
  type WalkOptions,
  type WalkPacket,
  type WalkReason,
  type WalkResult,
  type WalkStep,
  type WalkUnknown,
  type WalkVerdict,
} from './walk/walk.ts';
