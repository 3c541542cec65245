// What becomes of one packet on a host, and why: the verdict, what answers there, the rules that decide.
import {
  type Address,
  type Host,
  type Journey,
  prepareJourney,
  type Ruleset,
  type WalkStep,
  type WalkVerdict,
} from '@moat/netfilter';
import type { Listener } from '../kernel/listeners.ts';
import type { Policy } from '../policy/model.ts';
import { type PathStep, pathTeller, type UnknownJson } from './path-step.ts';
import { completeQuestion, type Question } from './question.ts';
import { answeringText, reachOf } from './reach.ts';
import { type PolicyNow, type StepWords, stepWords } from './step-words.ts';

export interface ExplainInput {
  readonly ruleset: Ruleset;
  readonly host: Host | undefined;
  /** undefined: nobody knows what listens. */
  readonly listeners: readonly Listener[] | undefined;
  /** Where moat is in use and its sentences are known. */
  readonly policy: PolicyNow | undefined;
}

export interface ExplainedStep extends PathStep {
  readonly step: WalkStep;
  readonly words: StepWords;
}

export interface Explanation {
  readonly question: Question;
  readonly journey: Journey;
  readonly verdict: WalkVerdict;
  /** With rates and counts not reached, where that is what an unknown verdict depends on. */
  readonly withinLimits: WalkVerdict | undefined;
  readonly path: readonly ExplainedStep[];
  /** The steps that made the verdict; those that only did not stand in the way are left out. */
  readonly because: readonly ExplainedStep[];
  readonly unknown: readonly UnknownJson[];
  /** What listens there: `sshd`; undefined: nothing, or nobody knows. */
  readonly answers: string | undefined;
  readonly nothingAnswers: boolean;
  /** From where moat's sentences let this in, if not from there: `203.0.113.7 (rule 3)`. */
  readonly allowed: readonly string[] | undefined;
  /** Number and text of the sentence that decided. */
  readonly sentence: { readonly number: number; readonly text: string } | undefined;
}

/** A function that explains packets of one host. */
export function prepareExplain(input: ExplainInput): (question: Question) => Explanation {
  const { ruleset, host, listeners, policy } = input;
  const go = prepareJourney(ruleset, host);
  const goWithinLimits = prepareJourney(ruleset, host, { assume: 'limits not exceeded' });
  const teller = pathTeller(ruleset);
  return (asked) => {
    const question = completeQuestion(asked, host);
    const first = go(question);
    const eased = first.result.verdict === 'unknown' ? goWithinLimits(question) : undefined;
    const withinLimits =
      eased === undefined || eased.result.verdict === 'unknown' ? undefined : eased.result.verdict;
    const journey = withinLimits === undefined ? first : eased!;
    const path = journey.result.path.map((step): ExplainedStep => {
      const told = teller.step(step);
      return {
        ...told,
        step,
        words: stepWords(step, told, teller.owner(step), ruleset, policy, journey.packet),
      };
    });
    const because = decidingSteps(path, journey.result.verdict);
    const { verdict } = first.result;
    const listener = listeners === undefined ? undefined : listenerOf(journey, listeners);
    const decided = because.findLast(({ words }) => words.sentence !== undefined);
    return {
      question,
      journey,
      verdict,
      withinLimits,
      path,
      because,
      unknown: verdict === 'unknown' ? first.result.unknowns.map(teller.unknown) : [],
      answers: listener === undefined ? undefined : answeringText(listener.what),
      nothingAnswers: listeners !== undefined && listener === undefined && isForPort(journey),
      allowed: refuses(journey.result.verdict)
        ? allowedSources(journey, policy?.policy, listener)
        : undefined,
      sentence: decided?.words.sentence,
    };
  };
}

export function refuses(verdict: WalkVerdict): boolean {
  return verdict === 'drop' || verdict === 'reject';
}

/** Of a refusal the rule that refuses, and not the chain that it uses for that; of an accept all rules that accept. */
function decidingSteps(path: readonly ExplainedStep[], verdict: WalkVerdict): ExplainedStep[] {
  if (!refuses(verdict)) {
    const translates = new Set(path.flatMap(({ step }) => (step.verdict.kind === 'nat' ? [step.rule] : [])));
    return path.filter(
      ({ step, verdict, rule, words }) =>
        verdict === 'accept' && rule !== 'policy' && !words.trivial && !translates.has(step.rule),
    );
  }
  const last = path.at(-1);
  if (last === undefined) return [];
  const deciding = last.words.helper ? path.findLast(({ words }) => !words.helper) : last;
  return [deciding ?? last];
}

function isForPort({ packet }: Journey): boolean {
  return packet.hook === 'input' && typeof packet.fields['dport'] === 'number';
}

const PROTOCOLS: Readonly<Record<number, Listener['protocol']>> = { 6: 'tcp', 17: 'udp', 132: 'sctp' };

/** Who gets it: by the port that was dialled, and after a redirection on this host by the port that it ends at. */
function listenerOf(journey: Journey, listeners: readonly Listener[]): Listener | undefined {
  const { packet, translated } = journey;
  if (packet.hook === 'output') return undefined;
  const { family, fields } = packet;
  const protocol = PROTOCOLS[Number(fields['proto'])];
  const find = (port: unknown, address: Address | undefined): Listener | undefined => {
    const there = listeners.filter(
      (each) => each.family === family && each.protocol === protocol && each.port === port,
    );
    const exact = there.find((each) => each.address.value === address?.value);
    return exact ?? there.find((each) => each.address.value === 0n || address === undefined);
  };
  const dialled = find(fields['dport'], fields['dst'] as Address | undefined);
  if (packet.hook === 'forward') {
    return translated !== undefined && dialled?.what.kind !== 'process' ? dialled : undefined;
  }
  return translated === undefined ? dialled : (find(translated.dport, translated.dst) ?? dialled);
}

function allowedSources(
  { packet }: Journey,
  policy: Policy | undefined,
  listener: Listener | undefined,
): readonly string[] | undefined {
  const { family, fields } = packet;
  const protocol = PROTOCOLS[Number(fields['proto'])];
  const { dst, dport } = fields;
  if (policy === undefined || protocol === undefined || packet.hook === 'output') return undefined;
  if (typeof dst !== 'object' || typeof dport !== 'number') return undefined;
  const what = listener?.what ?? { kind: 'unknown' as const, uid: 0 };
  const [reach] = reachOf(policy, [{ protocol, family, address: dst as Address, port: dport, what }]);
  return reach?.sources.map((source, i) => {
    const number = reach.rules[i]!;
    return `${source} (${number === 0 ? 'default' : `rule ${number}`})`;
  });
}
