// Shell: an interactive shell on the story's server, with commands that act on the other machines.
import { spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import type { StoryLab } from './story-lab.ts';

const FOLDER = '/run/lab-bin';

const DIAL = `#!/usr/bin/env node
const [host, port] = process.argv.slice(2);
const socket = require('node:net').connect({ host, port: Number(port) });
const end = (said, code) => { console.log(said); process.exit(code); };
socket.setTimeout(2000, () => end('timeout', 1));
socket.on('connect', () => end('open', 0)).on('error', (error) => end(error.code, 1));
`;

/** Opens it on this terminal and resolves when it is left. */
export async function openShell(lab: StoryLab, env: Readonly<Record<string, string>>): Promise<void> {
  const { server, outside, blog, third } = lab.network;
  await mkdir(FOLDER, { recursive: true });
  const clients = [outside, blog, third];
  const scripts = [
    ...clients.map(({ name, path }) => [name, `#!/bin/sh\nexec nsenter --net=${path} "$@"\n`] as const),
    ['dial', DIAL] as const,
  ];
  await Promise.all(scripts.map(([name, text]) => writeFile(`${FOLDER}/${name}`, text, { mode: 0o755 })));
  console.log(
    `A shell on the server, ${server.addresses.v4} and ${server.addresses.v6}; it runs sshd, mysqld and,`,
  );
  console.log('behind docker0, some-app-container on port 80. Nothing in here touches the real machine.\n');
  for (const { name, addresses } of clients) {
    console.log(`  ${`${name} CMD`.padEnd(22)}runs CMD on ${name} (${addresses.v4}, ${addresses.v6})`);
  }
  console.log(`  ${'dial HOST PORT'.padEnd(22)}tries a connection: outside dial ${server.addresses.v4} 3306`);
  console.log(`  ${'moat …'.padEnd(22)}the firewall; leave with exit\n\n${await lab.reach()}\n`);
  const child = spawn('nsenter', [`--net=${server.path}`, 'sh', '-i'], {
    stdio: 'inherit',
    env: { ...process.env, ...env, PATH: `${FOLDER}:${env['PATH']}`, PS1: 'server# ' },
  });
  await new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
}
