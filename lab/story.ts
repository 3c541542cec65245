// The story: an admin's server, played in network namespaces, and at each step what can really be reached on it.
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { type Login, logIn } from './login.ts';
import { openShell } from './shell.ts';
import { createStoryLab } from './story-lab.ts';
import { pause } from './waiting.ts';

const BIN = fileURLToPath(new URL('../packages/firewall/bin', import.meta.url));
/** Where the story's moat keeps its files: in the private /run, gone with it. */
const MOAT_ROOT = '/run/moat-story';

await mkdir(MOAT_ROOT, { recursive: true });
const env = {
  MOAT_ROOT,
  PATH: `${BIN}:${process.env['PATH']}`,
  // No engine of the real machine is the story's.
  DOCKER_HOST: `unix://${MOAT_ROOT}/no-docker.sock`,
};
const lab = await createStoryLab(env);
const { server, outside, blog, third } = lab.network;
let admin: Login;
try {
  if (process.argv[2] === 'shell') await openShell(lab, env);
  else await play();
} finally {
  await lab.destroy();
}

async function play(): Promise<void> {
  console.log(`A server (${server.addresses.v4}, ${server.addresses.v6}) with sshd, MySQL and a container`);
  console.log(
    'published on port 80 by the rules that Docker makes. No firewall yet. Every table below is connections that were really tried, over',
  );
  console.log(
    `IPv4 and IPv6, from three machines: outside (${outside.addresses.v4}), the blog (${blog.addresses.v4}), a third.\n`,
  );
  console.log(await lab.reach());
  admin = await logIn(outside, server);

  await step(
    'The admin logs in from outside and looks: what can strangers reach, and who opened it?',
    'moat audit',
  );
  await step('He closes everything, and has forgotten himself.', 'moat enable', 3);
  await step('So he says what he needs first.', 'moat allow 22');
  await step('Now it closes: the database, and the port that Docker had opened.', 'moat enable');
  await reach();
  await step('His old connection proves nothing: it was there before.', 'moat confirm', 3);
  admin.close();
  admin = await logIn(outside, server);
  await step('A new one does.', 'moat confirm');
  await step('The page comes back when he says so; 80 is the port that a client dials.', 'moat allow 80');
  await reach();
  await step(
    'The database is for the blog and for nobody else.',
    `moat group blog ${blog.addresses.v4} ${blog.addresses.v6} && moat allow from blog to any port mysql comment 'the blog'`,
  );
  await reach();
  await step('A slip of the finger changes nothing.', 'moat allow 0080/tcp', 2);
  await step(
    'A change that closes something goes back by itself, unless he confirms it.',
    'moat delete allow 80 --confirm 3',
  );
  await reach();
  await pause(3500);
  console.log('\n  … 3 seconds later, unconfirmed:\n');
  await reach();
  await step('What is open, by which sentence, and what answers there.', 'moat status');
  await step(
    'Why does the third machine not reach the database?',
    `moat explain tcp ${third.addresses.v4} 3306`,
  );
  await step(
    'What must never happen is written down, and holds for all packets or no change is made.',
    'moat expect allow from blog to any port mysql && moat expect deny from any to any port mysql',
  );
  await step(
    'The proof: the rules in the kernel mean what the sentences say, for every packet.',
    'moat test && moat audit',
  );
  console.log('\nThat was a private network in namespaces; the machine’s own firewall was never touched.');
  console.log('`npm start -- shell` opens a shell in there.');
  admin.close();
}

/** Runs a line in the admin's session and shows it; anything but the expected exit code ends the story. */
async function step(title: string, line: string, expected = 0): Promise<void> {
  console.log(`\n${title}\n\n  server# ${line}`);
  const { code, output } = await admin.run(line);
  console.log(output.trimEnd().replace(/^(?=.)/gm, '  '));
  if (code !== expected) {
    throw new Error(`the story expected exit code ${expected} of \`${line}\`, got ${code}`);
  }
}

async function reach(): Promise<void> {
  console.log(`\n${await lab.reach()}`);
}
