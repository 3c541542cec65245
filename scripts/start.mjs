// npm start: installs, builds and plays the story in a private network; `npm start -- shell` opens a shell in there.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { ensurePackages } from './debian.mjs';
import { ensureDependencies, ROOT } from './dependencies.mjs';
import { privateNetwork, runInside } from './private-network.mjs';

/** The exit code for "cannot be done here, and this is what to do". */
const NOT_HERE = 77;

process.chdir(ROOT);
process.exitCode = await start(process.argv.slice(2));

async function start(args) {
  if (args.length > 1 || (args.length === 1 && args[0] !== 'shell')) {
    console.error(`expected nothing or \`shell\`, got ${args.join(' ')}`);
    return 2;
  }
  if (ensurePackages('start').length > 0) return NOT_HERE;
  const network = privateNetwork();
  if (network.kind === 'none') {
    console.error(`No private network can be made: ${network.reason}\n${network.remedy}`);
    return NOT_HERE;
  }
  ensureDependencies();
  if (existsSync('packages/firewall/src/cli/main.ts')) {
    const built = spawnSync(process.execPath, ['scripts/build.mjs'], { stdio: 'inherit' });
    if (built.status !== 0) return 1;
  }
  console.log('');
  return runInside(network, process.execPath, ['--import', 'tsx', 'lab/story.ts', ...args]);
}
