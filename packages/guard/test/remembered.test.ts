// What the guard keeps from one request to the next: the last response's seal, the routes of Fastify. Nothing of it may serve another request.
import { createServer } from 'node:http';
import express from 'express';
import Fastify, { type FastifyInstance } from 'fastify';
import fastify4 from 'fastify4';
import { afterEach, describe, expect, test } from 'vitest';
import { guard as guardExpress } from '../src/express.ts';
import { guard as guardFastify } from '../src/fastify.ts';
import { get, hangUp, listen, servers } from './listening.ts';

afterEach(hangUp);

describe('Express: requests that wait for each other', () => {
  test('the answer of a public one releases no other, and a refusal seals none', async () => {
    const app = express();
    guardExpress(app, { public: ['GET /open', 'GET /late', 'GET /sealed'] });
    let late: (() => void) | undefined;
    const waiting = new Promise<void>((resolve) => {
      app.get('/late', (_request, response) => {
        late = () => void response.send('late');
        resolve();
      });
    });
    let leak: (() => void) | undefined;
    const held = new Promise<void>((resolve) => {
      app.use('/sealed', (_request, response) => {
        leak = () => void response.send('leak');
        resolve();
      });
    });
    app.get('/open', (_request, response) => {
      // While this one's response is the last that was looked at.
      leak!();
      response.write('op');
      late!();
      response.end('en');
    });
    app.get('/closed', (_request, response) => void response.send('closed'));
    const url = await listen(createServer(app));
    const first = get(`${url}/late`);
    const second = get(`${url}/sealed`);
    await Promise.all([waiting, held]);
    expect(await get(`${url}/closed`)).toBe('401 ');
    expect(await get(`${url}/open`)).toBe('200 open');
    expect(await Promise.all([first, second])).toEqual(['200 late', '401 ']);
  });

  test('the first public request comes after closed ones', async () => {
    const app = express();
    guardExpress(app, { public: ['GET /open'] });
    app.use((_request, response, next) => {
      response.setHeader('x-seen', '1');
      next();
    });
    app.get('/open', (_request, response) => void response.send('open'));
    app.get('/closed', (_request, response) => void response.send('closed'));
    const url = await listen(createServer(app));
    for (let i = 0; i < 3; i++) {
      expect(await get(`${url}/closed`)).toBe('401 ');
      expect(await get(`${url}/open`)).toBe('200 open');
      expect(await get(`${url}/open`, { method: 'POST' })).toBe('401 ');
      expect(await get(`${url}/OPEN`)).toBe('401 ');
    }
  });
});

describe.each([
  ['fastify', (options: object) => Fastify(options)],
  ['fastify4', (options: object) => fastify4(options) as unknown as FastifyInstance],
])('%s: a route is remembered', (_name, make) => {
  async function start(open: readonly string[], options: object = {}): Promise<string> {
    const app = make(options);
    guardFastify(app, { public: open });
    app.get('/a', async () => 'a');
    app.get('/:x', async () => 'x');
    app.route({ method: ['GET', 'POST'], url: '/two', handler: async () => 'two' });
    app.get('/A', async () => 'A');
    app.setNotFoundHandler(async () => 'not found');
    const url = await app.listen({ port: 0, host: '127.0.0.1' });
    servers.push(app.server);
    return url;
  }

  test('not for another method, path, letter case or server', async () => {
    const one = await start(['GET /a', 'GET /two']);
    const other = await start(['GET /:x', 'GET /A']);
    const shown = async (url: string) =>
      Promise.all([
        get(`${url}/a`),
        get(`${url}/two`),
        get(`${url}/two`, { method: 'POST' }),
        get(`${url}/two?_method=POST`),
        get(`${url}/A`),
        get(`${url}/b`),
        get(`${url}/b/c`),
        get(`${url}/a/`),
      ]);
    const closed = '401 ';
    for (let i = 0; i < 3; i++) {
      expect(await shown(one)).toEqual(['200 a', '200 two', closed, closed, closed, closed, closed, closed]);
      expect(await shown(other)).toEqual([closed, closed, closed, closed, '200 A', '200 x', closed, closed]);
    }
  });

  test('not for what `rewriteUrl` makes of the same target', async () => {
    const to = ['/two', '/a', '/b/c', '/a'];
    let turn = 0;
    const url = await start(['GET /a'], { rewriteUrl: () => to[turn++ % to.length] });
    const shown: string[] = [];
    for (let i = 0; i < 8; i++) shown.push(await get(`${url}/a`));
    const once = ['401 ', '200 a', '401 ', '200 a'];
    expect(shown).toEqual([...once, ...once]);
  });
});
