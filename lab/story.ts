// The story: an admin's server, played in network namespaces, and at each step what can really be reached on it.
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { runCommand } from './command.ts';
import { openShell } from './shell.ts';
import { createStoryLab } from './story-lab.ts';

const BIN = fileURLToPath(new URL('../packages/firewall/bin', import.meta.url));
/** Where the story's moat keeps its files: in the private /run, gone with it. */
const MOAT_ROOT = '/run/moat-story';

await mkdir(MOAT_ROOT, { recursive: true });
const lab = await createStoryLab();
const env = { MOAT_ROOT, PATH: `${BIN}:${process.env['PATH']}` };
try {
  if (process.argv[2] === 'shell') await openShell(lab, env);
  else await play();
} finally {
  await lab.destroy();
}

async function play(): Promise<void> {
  console.log('A server with sshd, MySQL and a container that Docker published on port 80. No firewall yet.');
  console.log(
    'Every table below is connections that were really tried, from three machines, at that moment.\n',
  );
  console.log(await lab.reach());
}

/** Runs one line in the server as the admin would, shows it like a session, then shows what can be reached. */
export async function step(title: string, line: string): Promise<void> {
  console.log(`\n${title}\n\n  server# ${line}`);
  const { code, stdout, stderr } = await runCommand(
    'nsenter',
    [`--net=${lab.network.server.path}`, 'sh', '-c', line],
    { env },
  );
  const said = `${stdout}${stderr}`.trimEnd();
  if (said !== '') console.log(said.replace(/^/gm, '  '));
  if (code !== 0) throw new Error(`the story expected this to succeed: ${line} (exit code ${code})`);
  console.log(`\n${await lab.reach()}`);
}
