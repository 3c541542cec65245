// The README's examples, word for word, on both majors of each framework; and each without its guard, which leaks.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ask, type Sandbox, sandbox } from './sandbox.ts';

const TOKEN = 'correct-horse-battery-staple';
const README = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
const EXAMPLES = [...README.matchAll(/```js\n(.*?)```/gs)].map(([, text]) => text!);
const REQUESTS = [
  { path: '/health' },
  { path: '/secret' },
  { path: '/another-secret' },
  { path: '/another-secret', token: TOKEN },
  { path: '/nothing' },
];

const MAJORS = [
  { label: 'Express 5', example: 'express', libraries: { express: 'express' } },
  { label: 'Express 4', example: 'express', libraries: { express: 'express4' } },
  { label: 'Fastify 5', example: 'fastify', libraries: { fastify: 'fastify' } },
  { label: 'Fastify 4', example: 'fastify', libraries: { fastify: 'fastify4' } },
  {
    label: 'Hono 4 with node-server 2',
    example: 'hono',
    libraries: { hono: 'hono', '@hono/node-server': 'hono-node-server2' },
  },
  {
    label: 'Hono 4 with node-server 1',
    example: 'hono',
    libraries: { hono: 'hono', '@hono/node-server': '@hono/node-server' },
  },
  {
    label: 'Hono 3',
    example: 'hono',
    libraries: { hono: 'hono3', '@hono/node-server': '@hono/node-server' },
  },
  { label: 'Koa 3', example: 'koa', libraries: { koa: 'koa', '@koa/router': '@koa/router' } },
  { label: 'Koa 2', example: 'koa', libraries: { koa: 'koa2', '@koa/router': '@koa/router' } },
  { label: 'node:http', example: 'http', libraries: {} },
];

describe.each(MAJORS)('$label', ({ example, libraries }) => {
  const text = EXAMPLES.find((each) => each.includes(`'@moat/guard/${example}'`))!;
  let box: Sandbox;
  beforeAll(async () => {
    box = await sandbox(libraries as Record<string, string>);
  });
  afterAll(() => box.remove());

  test('the example is closed but for /health', async () => {
    expect(await ask(box.write('app.mjs', text), { TOKEN }, REQUESTS)).toEqual([
      '/health 200 ok',
      '/secret 401 ',
      '/another-secret 401 ',
      '/another-secret 200 another secret',
      '/nothing 401 ',
    ]);
  });

  test('without the line of the guard, and no other change, it leaks', async () => {
    const bare = text.split('\n').filter((line) => !/^guard\(/.test(line));
    expect(bare.length).toBe(text.split('\n').length - 1);
    const [health, secret, another, , nothing] = await ask(
      box.write('bare.mjs', bare.join('\n')),
      { TOKEN },
      REQUESTS,
    );
    expect([health, secret?.slice(0, 11), another]).toEqual([
      '/health 200 ok',
      '/secret 401',
      '/another-secret 200 another secret',
    ]);
    expect(nothing).toMatch(/^\/nothing 404/);
  });

  test('is at most 20 lines', () => {
    expect(text.split('\n').filter((line) => line.trim() !== '').length).toBeLessThanOrEqual(20);
  });
});
