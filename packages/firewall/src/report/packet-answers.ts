// Many packets, one answer each: the lines of `moat explain --packets`.
import {
  type Host,
  plainPacket,
  prepareWalk,
  type Ruleset,
  type WalkPacket,
  type WalkResult,
  type WalkVerdict,
} from '@moat/netfilter';
import { readPacketLine } from './packet-line.ts';
import { type PathStep, pathTeller, type UnknownJson } from './path-step.ts';

/** Of an unknown verdict `path` is what is sure, and `unknown` the rules that make it so. */
export interface PacketAnswer {
  readonly verdict: WalkVerdict;
  readonly path: readonly PathStep[];
  readonly unknown?: readonly UnknownJson[];
}

export interface LineAnswer {
  readonly ok: boolean;
  /** One line of JSON, without its end. */
  readonly text: string;
}

/** A function that answers the lines of a file in their order; `line` counts from 1. */
export function packetAnswers(ruleset: Ruleset, host?: Host): (text: string, line: number) => LineAnswer {
  const walk = prepareWalk(ruleset, host);
  const teller = pathTeller(ruleset);
  const answer = (packets: readonly WalkPacket[]): PacketAnswer => {
    const results = packets.map((packet) => walk(plainPacket(packet, host)));
    const [first] = results as [WalkResult];
    const agreed = results.every(({ verdict }) => verdict === first.verdict);
    const verdict = agreed ? first.verdict : 'unknown';
    const path = results.length === 1 ? first.path.map(teller.step) : [];
    if (verdict !== 'unknown') return { verdict, path };
    const unknown = results.flatMap(({ unknowns }) => unknowns.map(teller.unknown));
    return { verdict, path, unknown };
  };
  return (text, line) => {
    const read = readPacketLine(text);
    if (!read.ok) return { ok: false, text: JSON.stringify({ error: { line, ...read.problem } }) };
    return { ok: true, text: JSON.stringify(answer(read.packets)) };
  };
}
