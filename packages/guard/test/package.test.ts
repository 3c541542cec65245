// The package as it is published: its size, what is in it, its types, its command.
import { spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildTypes } from '../build.mjs';
import { type Sandbox, sandbox } from './sandbox.ts';

let box: Sandbox;
let own: string;
beforeAll(async () => {
  box = await sandbox({
    express: 'express',
    fastify: 'fastify',
    hono: 'hono',
    koa: 'koa',
    '@types/node': '@types/node',
    '@types/express': '@types/express',
    '@types/koa': '@types/koa',
  });
  own = join(box.folder, 'node_modules/@moat/guard');
  buildTypes(join(own, 'dist'));
  for (const file of ['README.md', 'CHANGELOG.md']) {
    copyFileSync(fileURLToPath(new URL(`../${file}`, import.meta.url)), join(own, file));
  }
});
afterAll(() => box.remove());

test('no dependencies, every framework an optional peer', () => {
  const manifest = JSON.parse(readFileSync(join(own, 'package.json'), 'utf8'));
  expect(manifest.dependencies).toBeUndefined();
  for (const name of Object.keys(manifest.peerDependencies)) {
    expect(manifest.peerDependenciesMeta[name]).toEqual({ optional: true });
  }
});

test('is under 20 kB packed', () => {
  const packed = spawnSync('npm', ['pack', '--dry-run', '--ignore-scripts', '--json'], {
    cwd: own,
    encoding: 'utf8',
  });
  const answer = JSON.parse(packed.stdout);
  const [{ size, files }] = Array.isArray(answer) ? answer : Object.values(answer);
  expect(size).toBeGreaterThan(5000);
  expect(size).toBeLessThan(20_000);
  const names = files.map((file: { path: string }) => file.path);
  expect(names).toEqual(
    expect.arrayContaining(['README.md', 'CHANGELOG.md', 'dist/express.js', 'dist/express.d.ts']),
  );
});

test('its types work where it is installed', () => {
  const program = box.write(
    'app.mts',
    `import express from 'express';
import { expectPublic, tokenIs } from '@moat/guard';
import { guard, open } from '@moat/guard/express';
import { guard as http } from '@moat/guard/http';
import { guard as fastify } from '@moat/guard/fastify';
import { guard as hono } from '@moat/guard/hono';
import { guard as koa } from '@moat/guard/koa';
const app = express();
const routes: string[] = guard(app, { authorize: (request) => request.get('x') === 'y' }).routes().map(({ path }) => path);
app.use(open(express.static('x')));
// @ts-expect-error a wrong answer
guard(app, { authorize: () => 1 });
export const all = [routes, http, fastify, hono, koa, expectPublic(app, []), tokenIs];
`,
  );
  const tsc = fileURLToPath(new URL('../../../node_modules/typescript/bin/tsc', import.meta.url));
  const flags = '--noEmit --strict --skipLibCheck --module nodenext --target es2022 --types node'.split(' ');
  const checked = spawnSync(process.execPath, [tsc, ...flags, program], {
    cwd: box.folder,
    encoding: 'utf8',
  });
  expect(checked.stdout).toBe('');
  expect(checked.status).toBe(0);
});

test('the command prints the routes of an application, and opens no port', () => {
  const routes = (file: string) =>
    spawnSync(process.execPath, [join(own, 'dist/cli.js'), 'routes', file], {
      cwd: box.folder,
      encoding: 'utf8',
    });
  const program = (name: string, framework: string, make: string, listen: string) =>
    box.write(
      name,
      `import make from '${framework}';
import { guard } from '@moat/guard/${framework}';
const app = ${make};
guard(app, { authorize: () => false, public: ['GET /health'] });
app.get('/health', () => 'ok');
app.get('/secret', () => 'secret');
${listen};
setInterval(() => 0, 1000);
`,
    );
  program('express.mjs', 'express', 'make()', 'app.listen(1)');
  program('fastify.mjs', 'fastify', 'make({ exposeHeadRoutes: false })', 'await app.listen({ port: 1 })');
  // Makes its application after it was imported.
  box.write(
    'later.mjs',
    `import make from 'express';
import { guard } from '@moat/guard/express';
const start = async () => {
  const app = make();
  await new Promise((done) => setTimeout(done, 20));
  guard(app, { authorize: () => false, public: ['GET /health'] });
  app.get('/health', () => 'ok');
  app.get('/secret', () => 'secret');
  app.listen(1);
};
start();
`,
  );
  for (const file of ['express.mjs', 'fastify.mjs', 'later.mjs']) {
    const done = routes(file);
    expect(done.stderr).toBe('');
    expect(done.stdout).toBe(
      'GET  /health  public\nGET  /secret  authorized\n2 routes, 1 public; everything else is refused\n',
    );
    expect(done.status).toBe(0);
  }
  box.write('bare.mjs', 'export {};');
  expect(routes('bare.mjs')).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('guards no application'),
  });
  expect(routes('none.mjs').status).toBe(1);
});
