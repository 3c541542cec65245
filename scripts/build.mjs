// npm run build: one file out of the firewall's sources, V8's compiled form of it for this Node, and the man page.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const PACKAGE = fileURLToPath(new URL('../packages/firewall/', import.meta.url));
const BUNDLE = `${PACKAGE}dist/moat.cjs`;
const release = process.argv.includes('--release');
const { version } = JSON.parse(readFileSync(`${PACKAGE}package.json`, 'utf8'));

rmSync(`${PACKAGE}dist`, { recursive: true, force: true });
mkdirSync(`${PACKAGE}dist`);
const begun = performance.now();
await build({
  entryPoints: [`${PACKAGE}src/cli/main.ts`],
  outfile: BUNDLE,
  bundle: true,
  platform: 'node',
  target: 'node20',
  // commander is CommonJS inside, and V8's cache wants a script.
  format: 'cjs',
  // The loader reads the bundle byte by byte, so it has to be plain ASCII.
  charset: 'ascii',
  define: { __MOAT_RELEASE__: String(release), __MOAT_VERSION__: JSON.stringify(version) },
  logLevel: 'warning',
});
const cached = writeCache();
writeFileSync(`${PACKAGE}dist/moat.8`, execFileSync(process.execPath, [`${PACKAGE}bin/moat`, 'man-page']));
const size = Math.round(readFileSync(BUNDLE).length / 1024);
console.log(
  `Built packages/firewall/dist/moat.cjs: moat ${version}${release ? ', release' : ''}, ${size} KiB, ` +
    `${cached ? 'with' : 'without'} a code cache for Node ${process.version}, ${Math.round(performance.now() - begun)} ms`,
);

/** Where this fails the command works all the same, only a little slower. */
function writeCache() {
  const program = fileURLToPath(new URL('./code-cache.mjs', import.meta.url));
  const file = `${BUNDLE}.${process.version}-${process.arch}.cache`;
  return (
    spawnSync(process.execPath, [program, BUNDLE, file], {
      stdio: ['ignore', 'ignore', 'inherit'],
      timeout: 20_000,
    }).status === 0
  );
}
