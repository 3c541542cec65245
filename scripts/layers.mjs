// npm run check:layers: who may import whom. Asserts that the checker really saw every module, for it calls nothing green.
// `node scripts/layers.mjs FOLDER` checks another tree of the same layout.
import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { cruise } from 'dependency-cruiser';
import { ROOT } from './dependencies.mjs';

const NETFILTER = '^packages/netfilter/src';
const FIREWALL = '^packages/firewall/src';
const TEST = String.raw`\.test\.ts$`;

/** Room → the rooms it may import besides itself. In the firewall, `netfilter` is the whole other package. */
const NETFILTER_ROOMS = {
  net: [],
  model: ['net'],
  read: ['net', 'model'],
  render: ['net', 'model'],
  space: ['net'],
  semantics: ['net', 'model', 'space'],
  // Two judges of the same rules: they share what netfilter does, and nothing of each other.
  walk: ['net', 'model', 'space', 'semantics'],
  symbolic: ['net', 'model', 'space', 'semantics'],
  owner: ['net', 'model'],
  exposure: ['net', 'model', 'space', 'semantics', 'walk', 'symbolic', 'owner'],
  difference: ['net', 'model', 'space', 'semantics', 'walk', 'symbolic', 'exposure'],
  questions: ['net', 'model', 'space', 'semantics', 'symbolic', 'owner', 'exposure', 'difference'],
};
const FIREWALL_ROOMS = {
  policy: ['netfilter'],
  compile: ['policy', 'netfilter'],
  // The two opinions on what a policy means know nothing of each other.
  meaning: ['policy', 'netfilter'],
  proof: ['meaning', 'policy', 'netfilter'],
  kernel: ['netfilter'],
  apply: ['kernel', 'compile', 'policy', 'meaning', 'proof', 'netfilter'],
  report: ['policy', 'netfilter'],
  cli: ['policy', 'compile', 'meaning', 'proof', 'kernel', 'apply', 'report', 'netfilter'],
};

/** What touches the machine; only `kernel` may. */
const MACHINE =
  '^(node:)?(fs|fs/promises|child_process|net|http|https|http2|tls|dgram|dns|dns/promises|worker_threads)$';

const roomPattern = (base, rooms) => `${base}/(${rooms.join('|')})/`;

const rules = [
  ...Object.entries(NETFILTER_ROOMS).map(([room, others]) => ({
    name: `netfilter/${room}: imports only ${['itself', ...others].join(', ')}`,
    from: { path: `${NETFILTER}/${room}/`, pathNot: TEST },
    to: { path: '^packages/', pathNot: roomPattern(NETFILTER, [room, ...others]) },
  })),
  ...Object.entries(FIREWALL_ROOMS).map(([room, others]) => ({
    name: `firewall/${room}: imports only ${['itself', ...others].join(', ')}`,
    from: { path: `${FIREWALL}/${room}/`, pathNot: TEST },
    to: {
      path: '^packages/',
      pathNot: [
        roomPattern(FIREWALL, [room, ...others.filter((each) => each !== 'netfilter')]),
        ...(others.includes('netfilter') ? [NETFILTER] : []),
        // A report is written about what the kernel folder read, and needs the words for it, not the deed.
        ...(room === 'report' ? [`${FIREWALL}/kernel/`] : []),
      ],
    },
  })),
  {
    name: 'firewall/report: takes only types from kernel',
    from: { path: `${FIREWALL}/report/`, pathNot: TEST },
    to: { path: `${FIREWALL}/kernel/`, dependencyTypesNot: ['type-only'] },
  },
  {
    name: 'netfilter: is pure, no Node built-ins',
    from: { path: NETFILTER, pathNot: TEST },
    to: { dependencyTypes: ['core'] },
  },
  {
    name: 'netfilter: no library but ip-address',
    from: { path: NETFILTER, pathNot: TEST },
    to: { path: 'node_modules/', pathNot: 'node_modules/ip-address/' },
  },
  {
    name: 'netfilter: knows nothing of the other packages',
    from: { path: NETFILTER },
    to: { path: '^packages/', pathNot: NETFILTER },
  },
  {
    name: 'firewall: policy, compile, meaning and proof are pure, no Node built-ins',
    from: { path: `${FIREWALL}/(policy|compile|meaning|proof)/`, pathNot: TEST },
    to: { dependencyTypes: ['core'] },
  },
  {
    name: 'firewall: policy, compile, meaning and proof use no libraries',
    from: { path: `${FIREWALL}/(policy|compile|meaning|proof)/`, pathNot: TEST },
    to: { path: 'node_modules/' },
  },
  {
    name: 'firewall: only kernel touches the machine',
    from: { path: FIREWALL, pathNot: [TEST, `${FIREWALL}/kernel/`] },
    to: { path: MACHINE },
  },
  {
    name: 'every room has its rule (NETFILTER_ROOMS, FIREWALL_ROOMS in scripts/layers.mjs)',
    from: {
      path: '^packages/(netfilter|firewall)/src/[^/]+/',
      pathNot: [
        roomPattern(NETFILTER, Object.keys(NETFILTER_ROOMS)),
        roomPattern(FIREWALL, Object.keys(FIREWALL_ROOMS)),
      ],
    },
    to: {},
  },
  { name: 'no cycles', from: {}, to: { circular: true } },
  { name: 'every import is found', from: {}, to: { couldNotResolve: true } },
].map((rule) => ({ severity: 'error', ...rule }));

const root = resolve(process.argv[2] ?? ROOT);
const sources = join('packages');
process.chdir(root);
const { output } = await cruise(
  [sources],
  {
    ruleSet: { forbidden: rules },
    validate: true,
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(/dist/|^packages/[^/]+/node_modules/)' },
    combinedDependencies: true,
  },
  {
    extensions: ['.ts', '.mjs', '.js', '.json'],
    exportsFields: ['exports'],
    conditionNames: ['import', 'node'],
  },
);

const seen = output.modules.filter(({ source }) => source.startsWith('packages/') && source.endsWith('.ts'));
const onDisk = readdirSync('packages', { recursive: true }).filter(
  (file) =>
    file.endsWith('.ts') && !/(^|\/)(node_modules|dist)\//.test(file) && existsSync(join('packages', file)),
);
const problems = output.summary.violations.map(
  ({ rule, from, to, cycle }) =>
    `${from} → ${cycle?.map(({ name }) => name).join(' → ') ?? to}\n    ${rule.name}`,
);
const FLOOR = 3;
if (seen.length !== onDisk.length || seen.length < FLOOR) {
  problems.push(
    `saw ${seen.length} TypeScript modules; there are ${onDisk.length} (at least ${FLOOR} expected)`,
  );
}
const imports = seen.reduce((sum, { dependencies }) => sum + dependencies.length, 0);
if (imports === 0)
  problems.push('saw no import at all: the TypeScript parser is missing or of a wrong version');
for (const problem of problems) console.error(problem);
console.log(`layers: ${seen.length} modules, ${imports} imports, ${problems.length} problems`);
process.exitCode = problems.length === 0 ? 0 : 1;
