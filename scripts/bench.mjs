// npm run bench: builds the command, then measures moat and ufw beside each other in a private network.
// `-- rates`, `-- commands`, `-- window`, `-- analysis`, `-- audit` for one part, `-- --json FILE` for the figures as JSON.
import { spawnSync } from 'node:child_process';
import { ensurePackages } from './debian.mjs';
import { ensureDependencies, ROOT } from './dependencies.mjs';
import { privateNetwork, runInside } from './private-network.mjs';

/** Ends with the reason why there is nothing to measure here. */
function give(reason) {
  console.error(reason);
  process.exit(1);
}

process.chdir(ROOT);
ensureDependencies();
const missing = ensurePackages('bench');
if (missing.length > 0) give(`these packages are missing: ${missing.join(' ')}`);
const network = privateNetwork();
if (network.kind === 'none') give(`${network.reason}; ${network.remedy}`);
if (network.kind === 'user') give('ufw runs as root only: sudo npm run bench');
if (spawnSync(process.execPath, ['scripts/build.mjs'], { stdio: 'inherit' }).status !== 0) {
  give('The build failed.');
}
const program = ['--import', 'tsx', 'bench/main.ts', ...process.argv.slice(2)];
process.exitCode = await runInside(network, process.execPath, program);
