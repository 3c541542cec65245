// The long fuzz: `npx tsx packages/guard/test/fuzz-main.ts [requests]` over all frameworks; prints what it found.
import { fuzz } from './fuzz.ts';
import { NAMES, type Protection, start } from './service.ts';
import type { TrickName } from './tricks.ts';

const total = Number(process.argv[2] ?? 225_000);
const seed = Number(process.argv[3] ?? Date.now() % 2 ** 31);
const each = Math.ceil(total / NAMES.length);
const KINDS = [
  { kind: 'guard', options: {} },
  { kind: 'path check' },
  { kind: 'none' },
] as const satisfies Protection[];
console.log(`seed ${seed}`);
let requests = 0;
let leaked = 0;
for (const protection of KINDS) {
  for (const name of NAMES) {
    const service = await start(name, protection);
    const count = protection.kind === 'guard' ? each : Math.min(each, 2000);
    const begun = performance.now();
    const outcome = await fuzz(service, count, seed);
    await service.close();
    const byTrick = new Set<TrickName>(
      outcome.leaks.filter(({ tricks }) => tricks.length === 1).flatMap(({ tricks }) => tricks),
    );
    const statuses = [...outcome.statuses].sort().map(([status, n]) => `${status || 'none'} ${n}`);
    console.log(
      `${protection.kind.padEnd(10)} ${name.padEnd(9)} ${outcome.requests} requests, ${outcome.leaks.length} leaks, ` +
        `${outcome.ran} closed handlers run, ${Math.round(performance.now() - begun)} ms (${statuses.join(', ')})`,
    );
    if (byTrick.size > 0) console.log(`           by one trick alone: ${[...byTrick].join(', ')}`);
    if (protection.kind !== 'guard') continue;
    requests += outcome.requests;
    leaked += outcome.leaks.length + outcome.ran;
    for (const leak of outcome.leaks.slice(0, 5)) console.log(JSON.stringify(leak));
  }
}
console.log(`guarded: ${requests} requests, ${leaked} leaks`);
process.exitCode = leaked === 0 ? 0 : 1;
