// One dump, analysed once in a process of its own: times, sizes and peak memory as one line of JSON.
import { readFileSync } from 'node:fs';
import {
  arrivals,
  arrivalsSpace,
  beginAnalysis,
  hold,
  inSomeOrder,
  LEAF,
  MAPPED,
  portClasses,
  readIptablesSave,
  readNftJson,
  recogniseDump,
  roadDecision,
  spaceFor,
  spaceSize,
  viewOf,
} from '@moat/netfilter';

const [file = ''] = process.argv.slice(2);
/** Milliseconds by the clock, and of processor time: on a machine that others use, only the second compare. */
interface Took {
  readonly wall: number;
  readonly cpu: number;
}

const now = (): Took => ({ wall: performance.now(), cpu: process.cpuUsage().user / 1000 });
const milliseconds = (since: Took): Took => {
  const { wall, cpu } = now();
  return { wall: wall - since.wall, cpu: cpu - since.cpu };
};

const text = readFileSync(file, 'utf8');
const kind = recogniseDump(text);
const readFrom = now();
const ruleset = kind === 'nft-json' ? readNftJson(JSON.parse(text)) : readIptablesSave(text).ruleset;
const read = milliseconds(readFrom);
const family = kind === 'ip6tables-save' ? ('ipv6' as const) : ('ipv4' as const);

// Who outside can reach which port: what `moat audit` asks.
const auditFrom = now();
const question = { family, ruleset };
const audited = inSomeOrder(arrivalsSpace(question), (space) => {
  const from = arrivals(space, question);
  const leaves = [LEAF.accept, ...from.mappings.map((_, n) => MAPPED + n)];
  return [6, 17].flatMap((proto) => leaves.map((leaf) => portClasses(from, proto, leaf).length)).length;
});
const audit = milliseconds(auditFrom);

// All packets on all ways: what comparing rulesets needs.
const roadsFrom = now();
const input = { family, rulesets: [ruleset] };
const decided = inSomeOrder(spaceFor(input), (space) => {
  const view = viewOf(beginAnalysis(space, input), ruleset);
  for (const road of ['input', 'forward', 'output'] as const) hold(roadDecision(view, road));
  return spaceSize(space);
});
const roads = milliseconds(roadsFrom);

const rules = ruleset.tables
  .flatMap(({ chains }) => chains)
  .reduce((sum, chain) => sum + chain.rules.length, 0);
const isDone = audited.kind === 'done' && decided.kind === 'done';
const order = decided.kind === 'done' ? decided.order : '-';
const nodes = decided.kind === 'done' ? decided.value : 0;
const peak = process.resourceUsage().maxRSS / 1024;
console.log(JSON.stringify({ rules, read, audit, roads, isDone, order, nodes, peak }));
