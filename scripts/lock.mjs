// Lock: every optional dependency that a package names has its entry in package-lock.json, or `npm ci` refuses it.
// A registry that does not hold the packages of other platforms makes npm leave them out; `--write` puts them in.
import { readFileSync, writeFileSync } from 'node:fs';

const FILE = new URL('../package-lock.json', import.meta.url);
const SYSTEMS = ['android', 'darwin', 'freebsd', 'linux', 'openharmony', 'win32'];
const PROCESSORS = ['arm64', 'arm', 'ia32', 'ppc64', 'riscv64', 's390x', 'x64'];

const lock = JSON.parse(readFileSync(FILE, 'utf8'));
const missing = Object.entries(lock.packages).flatMap(([folder, entry]) =>
  Object.entries(entry.optionalDependencies ?? {})
    .filter(
      ([name]) => !lock.packages[`node_modules/${name}`] && !lock.packages[`${folder}/node_modules/${name}`],
    )
    .map(([name, version]) => ({ name, version, dev: entry.dev === true })),
);

if (missing.length > 0 && process.argv.includes('--write')) {
  for (const { name, version, dev } of missing) {
    const words = name.split(/[-/]/);
    const libc = words.some((word) => word.startsWith('musl')) ? 'musl' : 'glibc';
    const os = SYSTEMS.find((each) => words.includes(each));
    const cpu = PROCESSORS.find((each) => words.includes(each));
    if (os === undefined || cpu === undefined || !/^\d/.test(version)) {
      throw new Error(`expected a package of one platform at one version, got ${name}@${version}`);
    }
    lock.packages[`node_modules/${name}`] = {
      version,
      cpu: [cpu],
      ...(dev ? { dev } : {}),
      ...(os === 'linux' ? { libc: [libc] } : {}),
      optional: true,
      os: [os],
    };
  }
  const byName = Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1));
  writeFileSync(FILE, `${JSON.stringify({ ...lock, packages: Object.fromEntries(byName) }, null, 2)}\n`);
} else if (missing.length > 0) {
  console.error(`package-lock.json has no entry for ${missing.map(({ name }) => name).join(', ')}`);
  console.error('`npm ci` would refuse it; run: node scripts/lock.mjs --write');
  process.exitCode = 1;
}
