// Which policy holds now: the one applied last, or none at all.
import { knownAnswers } from '../apply/name-answers.ts';
import type { Paths } from '../kernel/paths.ts';
import { readAppliedPolicy } from '../kernel/state.ts';
import { parsePolicyFile } from '../policy/file.ts';
import { DEFAULT_LOGGING, DEFAULTS, type Policy } from '../policy/model.ts';
import type { Services } from '../policy/services.ts';

/** The sentences that the loaded rules were made from; undefined where that is not known. */
export function appliedPolicy(paths: Paths, services: Services): Policy | undefined {
  const text = readAppliedPolicy(paths);
  const parsed = text === undefined ? undefined : parsePolicyFile(text, services, knownAnswers(paths));
  return parsed?.ok ? parsed.file.policy : undefined;
}

/** The policy of a machine on which moat is not active: everything may come in. */
export const NO_FIREWALL: Policy = {
  defaults: { ...DEFAULTS, incoming: 'allow' },
  logging: DEFAULT_LOGGING,
  groups: new Map(),
  rules: [],
  expectations: [],
};
