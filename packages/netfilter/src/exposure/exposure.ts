// What strangers can reach on a host: from where, at which port, what answers there, and which rules let them through.
import type { SnapshotContainer } from '../model/snapshot.ts';
import { type Address, type IpFamily, parseAddress } from '../net/address.ts';
import type { IntervalSet } from '../net/interval.ts';
import { inSomeOrder } from '../space/packet-space.ts';
import { prepareWalk } from '../walk/walk.ts';
import { arrivals, arrivalsSpace } from './arrivals.ts';
import type { ExposureInput, Exposures, FamilyExposures, Walks } from './kinds.ts';
import { outsideOf } from './outside.ts';
import { familyExposures } from './run.ts';

/** Everything that can be reached from outside; a pure function of what is given. */
export function exposures(input: ExposureInput): Exposures {
  const families: FamilyExposures[] = [];
  const tooLarge: IpFamily[] = [];
  const walk = prepareWalk(input.ruleset, input.host);
  const lenient = prepareWalk(input.ruleset, input.host, { assume: 'limits not exceeded' });
  for (const family of input.families ?? familiesOf(input)) {
    const found = ofFamily(input, family, { walk, lenient });
    if (found === undefined) tooLarge.push(family);
    else families.push(found);
  }
  return { families, tooLarge };
}

/** What one order of variables may cost before it is given up: some seconds; the largest rulesets known take a tenth. */
const MOST_EFFORT = 40_000_000;

function ofFamily(input: ExposureInput, family: IpFamily, walks: Walks): FamilyExposures | undefined {
  const { ruleset, host, networks = [], containers = [] } = input;
  const isOutside = outsideOf(host, new Set(networks.map(({ bridge }) => bridge)));
  const beyond = host === undefined ? [] : addressesOf(containers, family);
  const asked = { family, ruleset, host, isOutside, beyond };
  const done = inSomeOrder({ ...arrivalsSpace(asked), effort: MOST_EFFORT }, (space) =>
    familyExposures(arrivals(space, asked), { ...input, isOutside, beyond, ...walks }),
  );
  return done.kind === 'done' ? done.value : undefined;
}

function addressesOf(containers: readonly SnapshotContainer[], family: IpFamily): IntervalSet<bigint> {
  return containers
    .flatMap(({ networks }) => networks.flatMap(({ addresses }) => addresses))
    .map(parseAddress)
    .filter((address): address is Address => address?.family === family)
    .map(({ value }) => ({ first: value, last: value }))
    .sort((a, b) => (a.first < b.first ? -1 : 1));
}

/** What iptables-save printed is about one family; of the other nothing is known. */
function familiesOf({ ruleset, host }: ExposureInput): readonly IpFamily[] {
  const { tables } = ruleset;
  const both: readonly IpFamily[] = ['ipv4', 'ipv6'];
  if (host !== undefined || tables.some(({ source }) => source === 'nft')) return both;
  const told = both.filter((family) =>
    tables.some((table) => table.family === 'inet' || table.family === (family === 'ipv4' ? 'ip' : 'ip6')),
  );
  return told.length === 0 ? both : told;
}
