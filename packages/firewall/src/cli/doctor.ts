// moat doctor: what will bite on this machine, and whether the way back works on it
import { type SelfTest, testWayBack } from '../apply/self-test.ts';
import { diagnose } from '../doctor/diagnosis.ts';
import { type Diagnosis, doctorText } from '../doctor/doctor-text.ts';
import type { Facts } from '../doctor/facts.ts';
import type { Context } from './context.ts';
import { gatherFacts } from './doctor-facts.ts';
import { ExitCode } from './exit-code.ts';
import { readInput } from './input.ts';
import { type Answer, colour, failure, say } from './say.ts';

/** Changes nothing. `quick`: without trying the way back. Ends with 3 where something is found, as `moat check` does. */
export async function doctorVerb(context: Context, { quick }: { readonly quick: boolean }): Promise<void> {
  const { snapshot, rulesets, json } = context.options;
  const live = snapshot === undefined && rulesets.length === 0;
  if (live && process.geteuid?.() !== 0) {
    const message =
      "moat doctor looks at everybody's rules, processes and files, which takes root: sudo moat doctor";
    return say(context, failure(ExitCode.notPermitted, 'not-root', message));
  }
  const trying = live && !quick ? testWayBack() : undefined;
  const read = await readInput(context);
  if (!read.ok) return say(context, read.answer);
  const facts = await gatherFacts(context, read.input, live);
  const wayBack = await trying;
  const diagnosis = { findings: diagnose(facts, wayBack), wayBack, notKnown: notKnown(facts) };
  say(context, answerOf(diagnosis, read.input.source, json));
}

function answerOf(diagnosis: Diagnosis, source: string, json: boolean): Answer {
  const { findings, wayBack, notKnown } = diagnosis;
  return {
    code: findings.length === 0 ? ExitCode.done : ExitCode.refused,
    text: json ? '' : doctorText(diagnosis, { heading: colour.heading, bad: colour.closed }),
    json: { source, findings, wayBack: wayBackJson(wayBack), notKnown },
  };
}

function wayBackJson(wayBack: SelfTest | undefined): object | null {
  if (wayBack === undefined) return null;
  switch (wayBack.kind) {
    case 'passed': {
      const { waited, backAfter, took } = wayBack;
      return { result: 'works', waitedMs: waited, backAfterMs: backAfter, tookMs: took };
    }
    case 'failed':
      return { result: 'fails', step: wayBack.step, why: wayBack.why, tookMs: wayBack.took };
    case 'impossible':
      return { result: 'not tried', why: wayBack.why };
    default:
      return wayBack satisfies never;
  }
}

const OF_A_FILE =
  'services, what the next boot starts, what nft and the kernel can do, settings of Docker and of sshd, the clock, the ' +
  'state of moat, the way back: a file does not tell';

function notKnown({ machine, snapshot }: Facts): readonly string[] {
  if (machine === undefined) {
    const bare = 'sockets and sysctls: a dump of rules does not have them';
    return [OF_A_FILE, ...(snapshot === undefined ? [bare] : [])];
  }
  const features = 'what nft and the kernel can do: no network of its own can be made here';
  return [
    ...(machine.missingFeatures === undefined ? [features] : []),
    // Nothing here depends on programs of BPF.
    ...(snapshot?.missing ?? []).flatMap(({ what, why }) =>
      what.startsWith('BPF') ? [] : [`${what}: ${why}`],
    ),
  ];
}
