// node scripts/read-corpus.mjs FOLDER: reads every ruleset in the folder and counts what was understood.
// nft text is turned into JSON by loading it in a network namespace that is thrown away, so that needs root.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { register } from 'tsx/esm/api';

register();
const { freeReasons, ownerOfRule, readIptablesSave, readNftJson, recogniseDump, ruleWords, unknownParts } =
  await import('../packages/netfilter/src/index.ts');

const folder = process.argv[2];
if (folder === undefined) {
  console.error('expected a folder with rulesets: node scripts/read-corpus.mjs FOLDER');
  process.exit(2);
}
const verbose = process.argv.includes('--verbose');

/** Kind of dump → what was counted. */
const totals = new Map();
const constructs = new Map();
const reasons = new Map();
const owners = new Map();
const skipped = new Map();
const refusals = new Map();

for (const path of filesUnder(folder)) {
  const text = readFileSync(path, 'utf8');
  const kind = recogniseDump(text);
  if (kind === undefined) count(skipped, 'not a ruleset');
  else if (kind === 'ipset-save') count(skipped, kind);
  else readOne(path, kind, text);
}

console.log(
  'kind             files   rules   exact  of these free  UNKNOWN  invalid  other problems  crashes',
);
for (const [kind, total] of totals) {
  const { files, rules, exact, free, unknown, invalid, problems, crashes } = total;
  console.log(
    `${kind.padEnd(15)}${[files, rules, exact].map((n) => String(n).padStart(7)).join(' ')}${String(free).padStart(15)}` +
      `${String(unknown).padStart(9)}${String(invalid).padStart(9)}${String(problems).padStart(16)}${String(crashes).padStart(9)}` +
      `   ${rules === invalid ? '' : `${((100 * exact) / (rules - invalid)).toFixed(2)} % exact`}`,
  );
}
print('\nUNKNOWN by construct', constructs);
print('\nfree by reason', reasons);
print('\nowners of rules', owners);
print('\nfiles left out', skipped);
print('\ninvalid: not understood, and the tool itself does not load the file', refusals);
if ([...totals.values()].some(({ crashes }) => crashes > 0)) process.exitCode = 1;

function readOne(path, kind, text) {
  const total = totals.get(kind) ?? {
    files: 0,
    rules: 0,
    exact: 0,
    free: 0,
    unknown: 0,
    invalid: 0,
    problems: 0,
    crashes: 0,
  };
  try {
    const reading = read(kind, text);
    if (reading === undefined) return count(skipped, `${kind} that nft here does not load`);
    totals.set(kind, total);
    total.files++;
    total.problems += reading.problems.length;
    const refusal = refusalOf(path, kind, text, reading.ruleset);
    for (const problem of reading.problems) count(constructs, `outside rules: ${constructOf(problem.text)}`);
    for (const table of reading.ruleset.tables) {
      for (const chain of table.chains) {
        for (const rule of chain.rules) {
          countRule(total, path, rule, refusal);
          const { name, certainty } = ownerOfRule(reading.ruleset, table, chain, rule);
          count(owners, `${name}, ${certainty}`);
          const words = ruleWords(rule, table);
          if (words === '' || /\[object|undefined/.test(words)) throw new Error(`no words: ${words}`);
        }
      }
      total.problems += table.unknown?.length ?? 0;
    }
  } catch (error) {
    totals.set(kind, total);
    total.crashes++;
    console.error(`${relative(folder, path)}: ${error.stack}`);
  }
}

/** What iptables-restore says when it does not load a dump with a rule that is not understood; it is no dump then. */
function refusalOf(path, kind, text, { tables }) {
  if (!kind.endsWith('-save')) return undefined;
  const rules = tables.flatMap(({ chains }) => chains.flatMap((chain) => chain.rules));
  if (rules.every((rule) => unknownParts(rule).length === 0)) return undefined;
  const program = kind === 'iptables-save' ? 'iptables-restore' : 'ip6tables-restore';
  const loaded = spawnSync('unshare', ['--net', program], { input: text, encoding: 'utf8' });
  if (loaded.status === 0) return undefined;
  const [first = '', ...more] = (loaded.stderr ?? String(loaded.error)).trim().split('\n');
  const line = more.find((each) => each.startsWith('Error occurred at'));
  return [relative(folder, path), first, ...(line === undefined ? [] : [line])].join(': ');
}

function countRule(total, path, rule, refusal) {
  total.rules++;
  const unknown = unknownParts(rule);
  if (unknown.length > 0) {
    if (refusal === undefined) total.unknown++;
    else {
      total.invalid++;
      count(refusals, refusal);
    }
    for (const raw of unknown) count(constructs, constructOf(raw));
    if (verbose) console.log(relative(folder, path), JSON.stringify(rule.origin.raw));
    return;
  }
  total.exact++;
  const free = freeReasons(rule);
  if (free.length > 0) total.free++;
  for (const reason of new Set(free)) count(reasons, reason);
}

/** undefined: nft here cannot load it. */
function read(kind, text) {
  if (kind === 'nft-json') return { ruleset: readNftJson(JSON.parse(text)), problems: [] };
  if (kind !== 'nft-text') return readIptablesSave(text);
  // Newer versions print this priority by a name that 1.0 takes in other hooks only.
  const loadable = `${text.replaceAll('hook output priority dstnat', 'hook output priority -100')}\n`;
  const listed = spawnSync('unshare', ['--net', 'sh', '-c', 'nft --file - >&2 && nft --json list ruleset'], {
    input: loadable,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  if (listed.error !== undefined) throw listed.error;
  if (listed.status !== 0) return undefined;
  return { ruleset: readNftJson(JSON.parse(listed.stdout)), problems: [] };
}

function filesUnder(path) {
  return readdirSync(path, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) =>
      entry.isDirectory() ? filesUnder(join(path, entry.name)) : [join(path, entry.name)],
    );
}

/** The name of the thing in JSON, or the first words of a text. */
function constructOf(raw) {
  if (typeof raw === 'object' && raw !== null) {
    const [key, body] = Object.entries(raw)[0] ?? ['nothing'];
    return key === 'xt' ? `xt ${body.name}` : String(key);
  }
  return String(raw).trim().split(/\s+/).slice(0, 2).join(' ').slice(0, 40);
}

function count(map, key) {
  map.set(key, (map.get(key) ?? 0) + 1);
}

function print(title, map) {
  console.log(map.size === 0 ? `${title}: none` : `${title}:`);
  for (const [key, n] of [...map].sort(([, a], [, b]) => b - a))
    console.log(`${String(n).padStart(8)}  ${key}`);
}
