// The guard's own behaviour: authorize, order, upgrades, errors at the start, the table, and what is told to whom.
import { createServer, type RequestListener, type Server } from 'node:http';
import { serve } from '@hono/node-server';
import express, { type Request } from 'express';
import Fastify from 'fastify';
import { Hono } from 'hono';
import Koa from 'koa';
import { afterEach, describe, expect, test } from 'vitest';
import { WebSocketServer } from 'ws';
import { expectPublic } from '../src/expect-public.ts';
import { guard as guardExpress, open as openExpress } from '../src/express.ts';
import { guard as guardFastify } from '../src/fastify.ts';
import { guard as guardHono, open as openHono } from '../src/hono.ts';
import { guard as guardHttp } from '../src/http.ts';
import { guard as guardKoa, open as openKoa } from '../src/koa.ts';
import type { GuardOptions, Refusal } from '../src/options.ts';
import { tokenIs } from '../src/token.ts';
import { get, hangUp, listen, servers } from './listening.ts';
import { wire } from './wire.ts';

const TOKEN = 'correct-horse-battery-staple';
afterEach(hangUp);
const withToken = { headers: { authorization: `Bearer ${TOKEN}` } };

type Start = (options: GuardOptions<unknown>) => Promise<string>;
const FRAMEWORKS: Record<string, Start> = {
  async http(options) {
    const server = createServer((_request, response) => response.end('in'));
    guardHttp(server, options);
    return listen(server);
  },
  async express(options) {
    const app = express();
    guardExpress(app, options);
    app.get('/in', (_request, response) => void response.send('in'));
    return listen(createServer(app));
  },
  async fastify(options) {
    const app = Fastify();
    guardFastify(app, options);
    app.get('/in', async () => 'in');
    const url = await app.listen({ port: 0, host: '127.0.0.1' });
    servers.push(app.server);
    return url;
  },
  async hono(options) {
    const app = new Hono();
    guardHono(app, options);
    app.get('/in', (c) => c.text('in'));
    return new Promise((resolve) => {
      const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, ({ port }) =>
        resolve(`http://127.0.0.1:${port}`),
      );
      servers.push(server as Server);
    });
  },
  async koa(options) {
    const app = new Koa();
    guardKoa(app, options);
    app.use((ctx) => {
      ctx.body = 'in';
    });
    return listen(createServer(app.callback()));
  },
};

describe.each(Object.keys(FRAMEWORKS))('authorize in %s', (name) => {
  const start = FRAMEWORKS[name]!;
  const unclear: unknown[] = [
    1,
    'true',
    'yes',
    {},
    { ok: true },
    [],
    null,
    undefined,
    Symbol('x'),
    new Boolean(true),
  ];

  test('only true is a yes, at once or later', async () => {
    let answer: unknown = true;
    const url = `${await start({ authorize: () => answer as boolean })}/in`;
    expect(await get(url)).toBe('200 in');
    answer = Promise.resolve(true);
    expect(await get(url)).toBe('200 in');
    for (const value of [...unclear, false]) {
      answer = value;
      expect(await get(url)).toBe('401 ');
      answer = Promise.resolve(value);
      expect(await get(url)).toBe('401 ');
    }
    answer = 'forbidden';
    expect(await get(url)).toBe('403 ');
  });

  test('an exception, a rejection and silence are a no, and the log knows why', async () => {
    const refusals: Refusal[] = [];
    let authorize = (): boolean | Promise<boolean> => {
      throw new Error('thrown');
    };
    const base = await start({
      authorize: () => authorize(),
      timeout: 20,
      log: (refusal) => {
        refusals.push(refusal);
        throw new Error('the log fails');
      },
    });
    const url = `${base}/in`;
    expect(await get(url)).toBe('401 ');
    authorize = () => Promise.reject(new Error('rejected'));
    expect(await get(url)).toBe('401 ');
    authorize = () => new Promise(() => undefined);
    expect(await get(url)).toBe('401 ');
    const thenable = {
      // biome-ignore lint/suspicious/noThenProperty: a promise of somebody's own making.
      then() {
        throw new Error('then throws');
      },
    };
    authorize = () => thenable as unknown as Promise<boolean>;
    expect(await get(url)).toBe('401 ');
    expect(refusals.map(({ reason, error, target }) => [reason, (error as Error)?.message, target])).toEqual([
      ['authorize failed', 'thrown', '/in'],
      ['authorize failed', 'rejected', '/in'],
      ['authorize timed out', undefined, '/in'],
      ['authorize failed', 'then throws', '/in'],
    ]);
  });

  test('without authorize all but the public is closed', async () => {
    const url = await start({ public: ['GET /in'] });
    expect(await get(`${url}/in`)).toBe('200 in');
    expect(await get(`${url}/in`, { method: 'POST' })).toBe('401 ');
    expect(await get(`${url}/other`, withToken)).toBe('401 ');
  });

  test('an upgrade is refused, also with the token where nobody takes upgrades', async () => {
    const url = new URL(await start({ authorize: () => false, public: ['GET /in'] }));
    const server = servers.at(-1)!;
    server.on('upgrade', (_request, socket) => socket.end('HTTP/1.1 101 Switching Protocols\r\n\r\n'));
    const line = wire(Number(url.port), 5000);
    const answer = await line.exchange(
      'GET /in HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
      'GET',
      false,
    );
    line.close();
    expect(answer).toMatch(/^(HTTP\/1\.1 401 |$)/);
  });

  test('a declaration that is none is refused at once', async () => {
    for (const text of ['/in', 'get /in', 'GET in', 'GET  /in', 'GET /in?x']) {
      await expect(start({ public: [text] })).rejects.toThrow(/expected a method in capitals/);
    }
    await expect(start({ timeout: 0 })).rejects.toThrow(/milliseconds above 0/);
  });
});

describe('websockets', () => {
  test.each(['http', 'express', 'koa'])('%s: the token opens, its lack does not', async (name) => {
    const url = await FRAMEWORKS[name]!({ authorize: tokenIs(TOKEN) as () => boolean });
    const sockets = new WebSocketServer({ server: servers.at(-1)! });
    sockets.on('connection', (socket) => socket.send('hello'));
    const { WebSocket } = await import('ws');
    const connect = (headers: Record<string, string>) =>
      new Promise((resolve) => {
        const socket = new WebSocket(url.replace('http', 'ws'), { headers });
        socket.on('message', (data) => resolve(String(data)));
        socket.on('error', (error) => resolve(error.message));
      });
    expect(await connect({})).toBe('Unexpected server response: 401');
    expect(await connect({ authorization: `Bearer ${TOKEN}` })).toBe('hello');
    sockets.close();
  });
});

describe('order', () => {
  test('Express: what would answer instead of the public route does not', async () => {
    const app = express();
    app.use('/shadow', (_request, response) => void response.send('middleware'));
    guardExpress(app, {
      authorize: tokenIs(TOKEN),
      public: ['GET /shadow/x', 'GET /t/:tenant/x', 'GET /gone'],
    });
    app.get('/shadow/x', (_request, response) => void response.send('route'));
    const one = express.Router();
    one.get('/x', (_request, response) => void response.send('of acme alone'));
    app.use('/t/acme', one);
    const all = express.Router({ mergeParams: true });
    all.get(
      '/x',
      (request, response) => void response.send(`of ${(request.params as Record<string, string>)['tenant']}`),
    );
    app.use('/t/:tenant', all);
    app.use((_request, response) => void response.send('not found'));
    const url = await listen(createServer(app));
    expect(await get(`${url}/shadow/x`)).toBe('401 ');
    expect(await get(`${url}/t/other/x`)).toBe('200 of other');
    expect(await get(`${url}/t/acme/x`)).toBe('401 ');
    expect(await get(`${url}/t/acme/x`, withToken)).toBe('200 of acme alone');
    expect(await get(`${url}/gone`)).toBe('401 ');
  });

  test('Express: a public route that gives up does not open what comes after', async () => {
    const app = express();
    guardExpress(app, { public: ['GET /next', 'GET /throws', 'GET /in/throws', 'GET /early/throws'] });
    app.get('/next', (_request, _response, next) => next());
    const throws = () => {
      throw new Error('x');
    };
    app.get('/throws', throws);
    app.use('/in', express.Router().get('/throws', throws));
    app.use('/early', throws);
    app.use((_request, response) => void response.send('after'));
    app.use((_e: unknown, _q: Request, response: express.Response, _n: express.NextFunction) => {
      response.status(500).send('handled');
    });
    const url = await listen(createServer(app));
    expect(await get(`${url}/next`)).toBe('401 ');
    expect(await get(`${url}/throws`)).toBe('500 handled');
    expect(await get(`${url}/in/throws`)).toBe('500 handled');
    expect(await get(`${url}/early/throws`)).toBe('401 ');
  });

  test('Express: a guard inside a mounted application and one around it are both asked', async () => {
    const inner = express();
    guardExpress(inner, { public: ['GET /a'] });
    inner.get('/a', (_request, response) => void response.send('a'));
    inner.get('/b', (_request, response) => void response.send('b'));
    const app = express();
    guardExpress(app, { authorize: tokenIs(TOKEN), public: ['GET /in/b'] });
    app.use('/in', inner);
    const url = await listen(createServer(app));
    expect(await get(`${url}/in/a`)).toBe('401 ');
    expect(await get(`${url}/in/a`, withToken)).toBe('200 a');
    expect(await get(`${url}/in/b`)).toBe('401 ');
    expect(await get(`${url}/in/b`, withToken)).toBe('401 ');
  });

  test('Koa: an application that serves already is guarded from then on', async () => {
    const app = new Koa();
    app.use((ctx) => {
      ctx.body = ctx.path;
    });
    const url = await listen(createServer(app.callback()));
    expect(await get(`${url}/x`)).toBe('200 /x');
    guardKoa(app, { public: ['GET /health'] });
    expect(await get(`${url}/x`)).toBe('401 ');
    expect(await get(`${url}/health`)).toBe('200 /health');
  });

  test('Fastify: a second server with the same listener is sealed as well', async () => {
    const app = Fastify({
      frameworkErrors: (_error, _request, reply) => void (reply as { send(text: string): void }).send('leak'),
    });
    guardFastify(app, { authorize: tokenIs(TOKEN) });
    const url = await listen(app.server);
    await app.ready();
    const second = createServer(app.server.listeners('request')[0] as RequestListener);
    for (const base of [url, await listen(second)]) {
      expect(await get(`${base}/%zz`)).toBe('401 ');
      expect(await get(`${base}/%zz`, withToken)).toBe('401 ');
    }
  });

  test('Koa: a server that was learnt by a request has its upgrades guarded', async () => {
    const app = new Koa();
    app.use((ctx) => {
      ctx.body = 'in';
    });
    const handler = app.callback();
    const server = createServer((request, response) => handler(request, response));
    server.on('upgrade', (_request, socket) => socket.end('HTTP/1.1 101 Switching Protocols\r\n\r\n'));
    const url = new URL(await listen(server));
    const early = wire(Number(url.port));
    const ask = 'GET /x HTTP/1.1\r\nHost: x\r\n\r\n';
    expect(await early.exchange(ask, 'GET', false)).toMatch(/^HTTP\/1.1 200/);
    guardKoa(app, { authorize: tokenIs(TOKEN) });
    expect(await early.exchange(ask, 'GET', false)).toMatch(/^HTTP\/1.1 401/);
    const late = wire(Number(url.port));
    const upgrade = 'GET /x HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n';
    expect(await late.exchange(upgrade, 'GET', false)).toMatch(/^HTTP\/1.1 401/);
    early.close();
    late.close();
  });

  test('node:http: also what listened before, and first', async () => {
    const server = createServer((_request, response) => response.end('first'));
    guardHttp(server, { public: ['GET /health'] });
    server.prependListener('request', (request, response) => {
      if (request.url === '/secret') response.end('leak');
    });
    const url = await listen(server);
    expect(await get(`${url}/secret`)).toBe('401 ');
    expect(await get(`${url}/health`)).toBe('200 first');
  });

  test('Hono: what was taken from the application before, and what comes after it answered', async () => {
    const app = new Hono();
    const { fetch } = app;
    app.get('/users/me', (c) => c.text('me'));
    guardHono(app, { authorize: tokenIs(TOKEN), public: ['GET /users/:id', 'GET /next'] });
    app.get('/users/:id', (c) => c.text('user'));
    app.get('/next', async (_c, next) => next());
    app.notFound((c) => c.text('not found'));
    const ask = async (path: string, init?: RequestInit) => {
      const response = await fetch(new Request(`http://127.0.0.1${path}`, init));
      return `${response.status} ${await response.text()}`;
    };
    expect(await ask('/users/7')).toBe('200 user');
    expect(await ask('/users/me')).toBe('401 ');
    expect(await ask('/users/me', withToken)).toBe('200 me');
    expect(await ask('/next')).toBe('401 ');
    expect(await ask('/next', withToken)).toBe('401 ');
    expect(await ask('/users/7', { headers: { 'x-http-method-override': 'DELETE' } })).toBe('401 ');
  });
});

describe('Fastify at the start', () => {
  test('refuses a route from before the guard by name', async () => {
    const app = Fastify();
    app.get('/another-secret', async () => 'leak');
    guardFastify(app, { public: [] });
    await expect(app.ready()).rejects.toThrow('guard: GET /another-secret was added before the guard');
  });

  test('refuses a public route that does not exist, and one with constraints', async () => {
    const app = Fastify();
    guardFastify(app, { public: ['GET /helth', 'GET /v'] });
    app.get('/v', { constraints: { version: '1.0.0' } }, async () => 'v');
    await expect(app.inject('/v')).rejects.toThrow(
      /GET \/v is public, but .*constraints.*GET \/helth is public, but/,
    );
  });

  test('as a plugin, awaited; and never inside another plugin', async () => {
    const app = Fastify();
    await app.register(guardFastify, { authorize: tokenIs(TOKEN), public: ['GET /health'] });
    app.get('/health', async () => 'ok');
    app.get('/secret', async () => 'secret');
    expect((await app.inject('/health')).statusCode).toBe(200);
    expect((await app.inject('/secret')).statusCode).toBe(401);
    expect((await app.inject({ url: '/secret', ...withToken })).statusCode).toBe(200);
    expect((await app.inject('/nothing')).statusCode).toBe(401);
    const other = Fastify();
    other.register(async (inner) => {
      guardFastify(inner, {});
    });
    await expect(other.ready()).rejects.toThrow('expected the outermost application');
  });
});

describe('open', () => {
  test('Express: a marked middleware answers declared paths, and no others', async () => {
    const app = express();
    guardExpress(app, { public: ['GET /assets/*path', 'OPTIONS /api/*path'] });
    app.use(
      '/assets',
      openExpress((request, response, next) => (request.url === '/a.css' ? response.send('css') : next())),
    );
    app.use(
      '/api',
      openExpress((_request, response) => response.sendStatus(204)),
    );
    app.use((_request, response) => void response.send('not found'));
    const url = await listen(createServer(app));
    expect(await get(`${url}/assets/a.css`)).toBe('200 css');
    expect(await get(`${url}/assets/none.css`)).toBe('401 ');
    expect(await get(`${url}/api/x`, { method: 'OPTIONS' })).toBe('204 ');
    expect(await get(`${url}/api/x`)).toBe('401 ');
  });

  test('Koa and Hono likewise', async () => {
    const koa = new Koa();
    guardKoa(koa, { public: ['GET /assets/*path'] });
    koa.use(
      openKoa(async (ctx: Koa.Context, next: Koa.Next) => {
        if (ctx.path === '/assets/a.css') ctx.body = 'css';
        else await next();
      }),
    );
    koa.use((ctx) => {
      ctx.body = 'after';
    });
    const url = await listen(createServer(koa.callback()));
    expect(await get(`${url}/assets/a.css`)).toBe('200 css');
    expect(await get(`${url}/assets/b.css`)).toBe('401 ');

    const hono = new Hono();
    guardHono(hono, { public: ['GET /assets/*'] });
    hono.use(
      '/assets/*',
      openHono(async (c, next) => (c.req.path === '/assets/a.css' ? c.text('css') : next())),
    );
    hono.notFound((c) => c.text('after'));
    expect((await hono.request('/assets/a.css')).status).toBe(200);
    expect((await hono.request('/assets/b.css')).status).toBe(401);
    expect((await hono.request('/other')).status).toBe(401);
  });
});

describe('the table', () => {
  test('Express', () => {
    const app = express();
    const routes = guardExpress(app, {
      authorize: tokenIs(TOKEN),
      public: ['GET /health', 'GET /api/:v/x', 'GET /typo'],
    });
    app.get('/health', () => undefined);
    const api = express.Router();
    api.get('/x', () => undefined);
    api.delete('/x', () => undefined);
    app.use('/api/:v', api);
    app.use('/admin', express());
    expect(routes.routes()).toEqual([
      { method: 'ALL', path: '/admin/*', access: 'authorized' },
      { method: 'DELETE', path: '/api/:v/x', access: 'authorized' },
      { method: 'GET', path: '/api/:v/x', access: 'public' },
      { method: 'GET', path: '/health', access: 'public' },
      { method: 'GET', path: '/typo', access: 'closed', missing: true },
    ]);
  });

  test('Hono and Fastify', async () => {
    const hono = new Hono();
    const ofHono = guardHono(hono, { public: ['GET /health', 'HEAD /health'] });
    hono.use('*', async (_c, next) => next());
    hono.get('/health', (c) => c.text('')).post('/x', (c) => c.text(''));
    expect(ofHono.routes()).toEqual([
      { method: 'GET', path: '/health', access: 'public' },
      { method: 'HEAD', path: '/health', access: 'public' },
      { method: 'POST', path: '/x', access: 'closed' },
    ]);
    const fastify = Fastify({ exposeHeadRoutes: false });
    const ofFastify = guardFastify(fastify, { authorize: () => false, public: ['GET /health'] });
    fastify.get('/health', async () => '');
    fastify.register(async (inner) => inner.get('/:id', async () => ''), { prefix: '/users' });
    await expectPublic(fastify, ['GET /health']);
    expect(ofFastify.routes()).toEqual([
      { method: 'GET', path: '/health', access: 'public' },
      { method: 'GET', path: '/users/:id', access: 'authorized' },
    ]);
  });

  test('expectPublic fails for one more, for one less, and without a guard', async () => {
    const app = express();
    guardExpress(app, { public: ['GET /health', 'GET /new'] });
    app.get('/health', () => undefined);
    app.get('/new', () => undefined);
    await expectPublic(app, ['GET /new', 'GET /health']);
    await expect(expectPublic(app, ['GET /health'])).rejects.toThrow('public, but not expected: GET /new');
    await expect(expectPublic(app, ['GET /health', 'GET /new', 'GET /x'])).rejects.toThrow(
      'expected, but not public: GET /x',
    );
    await expect(expectPublic(express(), [])).rejects.toThrow('has no guard');
  });
});
