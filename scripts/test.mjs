// npm test: sets up what the tests need, runs all groups, counts. `-- --group NAME` or `-- FILE` or `-- 'a name'` for a part.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensurePackages } from './debian.mjs';
import { ensureDependencies, ROOT } from './dependencies.mjs';
import { privateNetwork, runHere, runInside } from './private-network.mjs';

/** Where each group's tests are. */
const GROUPS = {
  unit: ['packages/netfilter', 'packages/firewall', 'packages/guard/src', 'lab', 'test/unit'],
  guard: ['packages/guard/test'],
  kernel: ['test/kernel'],
  timed: ['test/timed'],
  docker: ['test/docker'],
  daemons: ['test/daemons'],
  system: ['test/system'],
};

/** All others change firewall rules, and run in private networks. */
const ANYWHERE = ['unit', 'guard'];

/**
 * Two lanes side by side: what computes runs at low priority (give-way.ts) and gets what those that wait for clocks,
 * packets and daemons leave of the machine, which is most of it.
 */
const LANES = [
  ['unit', 'guard', 'kernel'],
  ['timed', 'docker', 'daemons', 'system'],
];

const { groups, files, name } = readArguments(process.argv.slice(2));
const total = { passed: 0, failed: 0, skipped: 0 };
/** What failed and how, for the end: what is above it may be thousands of lines. */
const failures = [];
process.chdir(ROOT);
ensureDependencies();

const chosen = groups.filter((group) => testFiles(group).length > 0);
const needNetwork = chosen.some((group) => !ANYWHERE.includes(group));
const missing = needNetwork ? ensurePackages('test') : [];
const missingDaemons = chosen.includes('daemons') ? ensurePackages('daemons') : [];
if (needNetwork) build();
const network = needNetwork ? privateNetwork() : undefined;
let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM'])
  process.on(signal, () => {
    interrupted = true;
  });
const lanes = LANES.map((lane) => lane.filter((group) => chosen.includes(group))).filter(
  ({ length }) => length > 0,
);
await Promise.all(
  lanes.map(async (lane, i) => {
    // Two at once would be hard to read: the first shows what it does, the other what it did.
    for (const group of lane) if (!interrupted) await runGroup(group, i === 0);
  }),
);

if (failures.length > 0) console.log(`What failed:\n\n${failures.join('\n\n')}\n`);
if (total.passed + total.failed + total.skipped === 0) console.error('No test was found.');
if (total.failed > 0 || total.passed === 0 || interrupted) process.exitCode = 1;
if (interrupted) console.log('Interrupted: some were not run.');
console.log(
  `${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}`,
);

function readArguments(args) {
  const result = { groups: [], files: [], name: undefined };
  for (let i = 0; i < args.length; i++) {
    const value = args[i].startsWith('--group=')
      ? args[i].slice(8)
      : args[i] === '--group'
        ? args[++i]
        : undefined;
    if (value !== undefined) result.groups.push(...value.split(','));
    else if (args[i] !== '--') result.files.push(args[i]);
  }
  if (result.groups.length === 0) result.groups = Object.keys(GROUPS);
  const unknown = result.groups.find((group) => !Object.hasOwn(GROUPS, group));
  if (unknown !== undefined) {
    console.error(`expected a group (${Object.keys(GROUPS).join(', ')}), got ${unknown}`);
    process.exit(2);
  }
  // A word that is part of no file's path is part of a test's name.
  process.chdir(ROOT);
  const known = Object.keys(GROUPS).flatMap(allTestFiles);
  const words = result.files.filter((word) => !known.some((file) => file.includes(word)));
  return {
    groups: result.groups,
    files: result.files.filter((word) => !words.includes(word)),
    name: words.length > 0 ? words.join('|') : undefined,
  };
}

function allTestFiles(group) {
  return GROUPS[group]
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => readdirSync(folder, { recursive: true }).map((file) => join(folder, file)))
    .filter((file) => file.endsWith('.test.ts') && !file.includes('node_modules'));
}

function testFiles(group) {
  return allTestFiles(group).filter(
    (file) => files.length === 0 || files.some((word) => file.includes(word)),
  );
}

function build() {
  if (!existsSync('packages/firewall/src/cli/main.ts')) return;
  const done = spawnSync(process.execPath, ['scripts/build.mjs'], { stdio: 'inherit' });
  if (done.status !== 0) {
    console.error('The build failed.');
    process.exit(1);
  }
}

async function runGroup(group, live) {
  const begun = performance.now();
  const reason = await hindrance(group);
  if (reason !== undefined) {
    console.log(`SKIPPED ${group}: ${reason}`);
    if (process.env['CI'] === 'true') {
      total.failed++;
      failures.push(`${group}: nothing may be skipped where CI is true; ${reason}`);
    } else total.skipped++;
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), 'moat-test-'));
  const report = join(folder, 'report.json');
  const failed = join(folder, 'failures.json');
  const printed = join(folder, 'printed');
  const env = { ...process.env, MOAT_TEST_REPORT: report, MOAT_TEST_FAILURES: failed };
  const words = [
    'node_modules/vitest/vitest.mjs',
    ...['run', '--project', group],
    ...(name === undefined ? [] : ['--testNamePattern', name]),
    ...files,
  ];
  // The private networks are made in there, one for each file (scripts/private-pool.mjs).
  const code = await runHere(process.execPath, words, env, live ? undefined : printed);
  if (!live) process.stdout.write(readFileSync(printed));
  const result = count(code, read(report));
  const told = read(failed) ?? [];
  failures.push(...told);
  if (told.length === 0 && result.failed > 0) failures.push(`${group}: the runner ended with ${code}`);
  rmSync(folder, { recursive: true });
  for (const key of Object.keys(total)) total[key] += result[key];
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  console.log(
    `${group}: ${result.passed} passed, ${result.failed} failed, ${result.skipped} skipped in ${seconds} s\n`,
  );
}

function read(file) {
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined;
}

/** Why a group cannot run here, if it cannot. */
async function hindrance(group) {
  if (ANYWHERE.includes(group)) return undefined;
  if (missing.length > 0) return `these packages are missing: ${missing.join(' ')}`;
  if (network.kind === 'none') return `${network.reason}; ${network.remedy}`;
  if (group === 'kernel' || group === 'timed') return undefined;
  if (network.kind === 'user') return 'needs root';
  if (group === 'daemons')
    return missingDaemons.length > 0 ? `these packages are missing: ${missingDaemons.join(' ')}` : undefined;
  const trial = (file, ...words) =>
    runInside(network, process.execPath, ['--import', 'tsx', `lab/${file}`, ...words]);
  if (group === 'docker') {
    return (await trial('docker-trial.ts')) === 0 ? undefined : 'dockerd does not start here, see above';
  }
  // Its packages come over the machine's own network.
  const make = ['--import', 'tsx', 'lab/debian-trial.ts', 'make'];
  if (spawnSync(process.execPath, make, { stdio: 'inherit' }).status !== 0)
    return 'no Debian can be made here, see above';
  return (await trial('debian-trial.ts', 'boot')) === 0 ? undefined : 'no Debian boots here, see above';
}

/** A file that fails outside its tests (import, beforeAll) counts as one failed test, and so does a runner that broke. */
function count(code, report) {
  if (report === undefined) return { passed: 0, failed: 1, skipped: 0 };
  const broken = report.testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((each) => each.status === 'failed'),
  );
  const failed = report.numFailedTests + broken.length;
  return {
    passed: report.numPassedTests,
    // With a name that no test of the group has, vitest has nothing to do.
    failed: failed === 0 && code !== 0 && (name === undefined || report.numTotalTests > 0) ? 1 : failed,
    skipped: name === undefined ? report.numPendingTests + report.numTodoTests : 0,
  };
}
