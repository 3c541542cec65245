// Attacks: ways around a guard that a framework's own features open. Each is served without the guard and refused with it.
import { createServer, type RequestListener, Server, ServerResponse } from 'node:http';
import { connect as connect2, createServer as createServer2 } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import fastifyWebsocket from '@fastify/websocket';
import { serve } from '@hono/node-server';
import { serveStatic } from '@hono/node-server/serve-static';
import Router from '@koa/router';
import express from 'express';
import Fastify from 'fastify';
import { Hono } from 'hono';
import Koa from 'koa';
// @ts-expect-error: it has no types of its own
import mount from 'koa-mount';
import { afterEach, describe, expect, test } from 'vitest';
import { guard as guardExpress, open as openExpress } from '../src/express.ts';
import { guard as guardFastify } from '../src/fastify.ts';
import { guard as guardHono, open as openHono } from '../src/hono.ts';
import { guard as guardHttp } from '../src/http.ts';
import { guard as guardKoa } from '../src/koa.ts';
import { wire } from './wire.ts';

const servers: { close(): unknown }[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    if (server instanceof Server) server.closeAllConnections();
    server.close();
  }
});

async function listen(server: Server): Promise<number> {
  servers.push(server);
  if (!server.listening) await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** The status of the last answer to a request as it is written, and whether a secret was in any of the bytes. */
async function raw(port: number, line: string, headers: readonly string[] = [], body = ''): Promise<string> {
  const client = wire(port);
  const text = [`${line} HTTP/1.1`, 'Host: x', ...headers, '', body].join('\r\n');
  const answer = await client.exchange(text, line.split(' ')[0]!, false);
  client.close();
  const last = answer.slice(answer.lastIndexOf('HTTP/1.1'));
  const secret = answer.includes('SECRET') ? 'SECRET' : '';
  return `${last.slice(9, 12)} ${secret}`.trim();
}

type Attack = readonly [name: string, line: string, headers?: readonly string[], body?: string];
const NOBODY = { authorize: () => false } as const;

/** Each attack gets SECRET from the bare service, and 401 and nothing else from the guarded one. */
async function leaksWithoutGuard(
  start: (guarded: boolean) => Promise<number>,
  attacks: readonly Attack[],
): Promise<void> {
  const [bare, guarded] = [await start(false), await start(true)];
  for (const [name, line, headers, body] of attacks) {
    expect([name, await raw(bare, line, headers, body)]).toEqual([name, expect.stringContaining('SECRET')]);
    expect([name, await raw(guarded, line, headers, body)]).toEqual([name, '401']);
  }
}

describe('Express', () => {
  const PUBLIC = [
    'GET /health',
    'GET /redirected',
    'GET /users/:id',
    'GET /assets/*path',
    'GET /hints',
    'GET /borrowed',
    'GET /piped',
    'GET /moved',
  ];
  const start = async (guarded: boolean) => {
    const app = express();
    const secret = (_request: express.Request, response: express.Response) => void response.send('SECRET');
    if (guarded) guardExpress(app, { ...NOBODY, public: PUBLIC });
    app.param('id', (_request, response, next, id) =>
      id === 'boom' ? void response.send('SECRET') : next(),
    );
    app.use('/prefixed', secret);
    app.use(['/several', /^\/pattern/], secret);
    app.all('/every', secret);
    app.all('/*splat/all', secret);
    app.route('/chained').get(secret).post(secret);
    // A rewrite: the request is handed to the application again under another path.
    app.get('/redirected', (request, response, next) => {
      request.url = '/secret';
      (app as unknown as { handle: (...values: unknown[]) => void }).handle(request, response, next);
    });
    app.get('/health', (_request, response) => void response.send('fine'));
    app.use('/users/late', (request, _response, next) => {
      request.url = '/secret';
      next();
    });
    app.use('/hints', (_request, response) => {
      response.writeEarlyHints({ link: '</SECRET>; rel=preload' });
      response.end('SECRET');
    });
    app.use('/piped', (_request, response) => void Readable.from(['SECRET']).pipe(response));
    app.use('/borrowed', (_request, response) => {
      (ServerResponse.prototype.end as (this: ServerResponse, text: string) => void).call(response, 'SECRET');
    });
    app.get('/users/:id', (_request, response) => void response.send('SECRET of a user'));
    const inner = express();
    inner.get('/deep', secret);
    const innermost = express.Router();
    innermost.all('/{*rest}', secret);
    inner.use('/deeper', innermost);
    app.use('/mounted', inner);
    app.use((request, _response, next) => {
      if (request.url === '/moved') request.url = '/vault';
      next();
    });
    app.use(
      '/vault',
      openExpress((_request, response) => void response.send('SECRET')),
    );
    app.use('/assets', secret);
    app.get('/secret', secret);
    app.get('/fails', () => {
      throw new Error('x');
    });
    app.use((_e: unknown, _q: express.Request, response: express.Response, _n: express.NextFunction) => {
      response.send('SECRET error');
    });
    const server = createServer(app);
    const port = await listen(server);
    // Added when the server already runs.
    app.get('/late', secret);
    app.use(secret);
    return port;
  };

  test('mounts, patterns, all methods, parameters, rewrites, errors and what is added late', () =>
    leaksWithoutGuard(start, [
      ['app.use with a path', 'GET /prefixed/x'],
      ['app.use with several paths', 'GET /several'],
      ['app.use with a pattern', 'GET /pattern-x'],
      ['app.all', 'DELETE /every'],
      ['app.all with a wildcard', 'PUT /a/b/all'],
      ['app.route', 'POST /chained'],
      ['OPTIONS of a middleware', 'OPTIONS /prefixed'],
      ['mounted application', 'GET /mounted/deep'],
      ['router in a mounted application', 'PATCH /mounted/deeper/x/y'],
      ['app.param that answers', 'GET /users/boom'],
      ['handed to the application again', 'GET /redirected'],
      ['rewritten by a middleware', 'GET /users/late'],
      ['middleware at a public pattern', 'GET /assets/a.css'],
      ['rewritten to a marked middleware', 'GET /moved'],
      ['error handler', 'GET /fails'],
      ['route added late', 'GET /late'],
      ['catch-all added late', 'GET /nothing'],
      ['early hints', 'GET /hints'],
      ['a stream', 'GET /piped'],
      ['a method of the prototype', 'GET /borrowed'],
      ['expect', 'GET /late', ['Expect: 100-continue', 'Content-Length: 0']],
      [
        'h2c',
        'GET /late',
        ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA'],
      ],
      [
        'trailers',
        'POST /chained',
        ['Transfer-Encoding: chunked', 'Trailer: Authorization'],
        '0\r\nAuthorization: Bearer x\r\n\r\n',
      ],
    ]));
});

describe('Koa', () => {
  const start = async (guarded: boolean) => {
    const app = new Koa();
    app.silent = true;
    if (guarded) {
      guardKoa(app, {
        ...NOBODY,
        public: [
          'GET /health',
          'GET /users/:id',
          'GET /assets/*path',
          'GET /gone/:id',
          'GET /twice/:id',
          'POST /login',
        ],
      });
    }
    const secret = (ctx: Koa.Context) => {
      ctx.body = 'SECRET';
    };
    const inner = new Koa();
    inner.use(secret);
    app.use(mount('/mounted', inner));
    app.use(mount('/users', inner));
    app.use(mount('/assets', inner));
    app.use(async (ctx, next) => {
      if (ctx.path === '/health' && ctx.query['as'] === 'secret') ctx.path = '/secret';
      await next();
    });
    const hidden = new Router();
    hidden.delete('/login', secret);
    hidden.get('/hidden/:id', secret);
    const override = (ctx: Koa.Context, next: Koa.Next) => {
      ctx.method = ctx.get('x-method') || ctx.method;
      ctx.path = ctx.get('x-path') || ctx.path;
      return next();
    };
    app.use(mount('/', [override, hidden.routes()]));
    const first = new Router();
    const second = new Router();
    first.get(['/gone/:id', '/twice/:id'], (_ctx, next) => next());
    second.get('/twice/me', secret);
    second.get('/twice/:id', (ctx) => {
      ctx.body = 'fine';
    });
    app.use(first.routes()).use(second.routes());
    app.use((ctx, next) => (ctx.path.startsWith('/gone/') ? secret(ctx) : next()));
    const router = new Router({ prefix: '/api' });
    router.all('/every', secret);
    router.use(async (ctx, next) => (ctx.get('x-late') === '1' ? secret(ctx) : next()));
    router.get('/:rest', secret);
    app.use(router.routes()).use(router.allowedMethods());
    const plain = new Router();
    plain.get('/secret', secret);
    plain.redirect('/old', '/secret');
    app.use(plain.routes());
    const port = await listen(createServer(app.callback()));
    plain.get('/late', secret);
    router.get('/late/er', secret);
    return port;
  };

  test('mounts, routers, rewrites and what is added late', () =>
    leaksWithoutGuard(start, [
      ['mounted application', 'GET /mounted/x'],
      ['mounted application at a public pattern', 'GET /users/7'],
      ['mounted application at a public wildcard', 'GET /assets/a.css'],
      ['rewritten by a middleware', 'GET /health?as=secret'],
      ['router.all', 'DELETE /api/every'],
      ['parameter', 'GET /api/x'],
      ['middleware after a public route that gives up', 'GET /gone/7'],
      ['second router after a public route of the first', 'GET /twice/me'],
      ['method changed beside a hidden router', 'POST /login', ['X-Method: DELETE', 'Content-Length: 0']],
      [
        'path changed beside a hidden router',
        'POST /login',
        ['X-Method: GET', 'X-Path: /hidden/7', 'Content-Length: 0'],
      ],
      ['route added late', 'GET /late'],
      ['route added late to a router with a prefix', 'GET /api/late/er'],
      ['expect', 'GET /late', ['Expect: 100-continue', 'Content-Length: 0']],
    ]));
});

describe('Hono', () => {
  const start = async (guarded: boolean) => {
    const app = new Hono();
    if (guarded) {
      guardHono(app, {
        ...NOBODY,
        public: [
          'GET /health',
          'GET /users/:id',
          'GET /assets/*',
          'GET /mounted/x',
          'GET /again',
          'GET /handed',
        ],
      });
    }
    app.use('/health', async (c, next) => (c.req.query('as') === 'secret' ? c.text('SECRET') : next()));
    app.get('/health', (c) => c.text('fine'));
    app.use('/users/*', async (c) => c.text('SECRET'));
    app.get('/users/:id', (c) => c.text('user'));
    app.use('/assets/*', serveStatic({ root: '/', rewriteRequestPath: () => import.meta.filename }));
    app.all('/every', (c) => c.text('SECRET'));
    app.on(['GET', 'PURGE'], ['/on', '/off'], (c) => c.text('SECRET'));
    app.mount('/mounted', () => new Response('SECRET'));
    app.get('/again', (c) => app.fetch(new Request(new URL('/secret', c.req.url)), c.env));
    app.get('/handed', (c) => app.fetch(new Request(new URL('/vault/x', c.req.url)), c.env));
    app.use(
      '/vault/*',
      openHono(async (c) => c.text('SECRET')),
    );
    app.get('/secret', (c) => c.text('SECRET'));
    app.basePath('/base').get('/x', (c) => c.text('SECRET'));
    const inner = new Hono();
    inner.use('*', async (c) => c.text('SECRET'));
    app.route('/routed', inner);
    app.get('/optional/:x?', (c) => c.text('SECRET'));
    app.get('/number/:n{[0-9]+}', (c) => c.text('SECRET'));
    app.get('/fails', () => {
      throw new Error('x');
    });
    app.onError((_error, c) => c.text('SECRET'));
    app.notFound((c) => c.text('SECRET'));
    const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }) as Server;
    await new Promise((resolve) => server.once('listening', resolve));
    return listen(server);
  };

  test('middleware that answers, mounts, base paths, all methods, errors', () =>
    leaksWithoutGuard(start, [
      ['middleware at a public path', 'GET /health?as=secret'],
      ['middleware at a public pattern', 'GET /users/7'],
      ['static files at a public wildcard', 'GET /assets/x'],
      ['app.all', 'DELETE /every'],
      ['app.on', 'GET /off'],
      ['mounted', 'GET /mounted/y/z'],
      ['base path', 'GET /base/x'],
      ['routed middleware', 'POST /routed/x'],
      ['optional parameter', 'GET /optional'],
      ['parameter with a pattern', 'GET /number/7'],
      ['fetched from itself', 'GET /again'],
      ['marked middleware fetched from itself', 'GET /handed'],
      ['error handler', 'GET /fails'],
      ['not found', 'GET /nothing'],
      ['expect', 'GET /every', ['Expect: 100-continue', 'Content-Length: 0']],
    ]));
});

describe('Fastify', () => {
  const start = async (guarded: boolean) => {
    const app = Fastify({
      rewriteUrl: ({ url }) => (url === '/health?as=secret' ? '/secret' : (url ?? '')),
      routerOptions: { ignoreTrailingSlash: true, caseSensitive: false, ignoreDuplicateSlashes: true },
      frameworkErrors: (_error, _request, reply) =>
        void (reply as { send(text: string): void }).send('SECRET'),
    });
    if (guarded) guardFastify(app, { ...NOBODY, public: ['GET /health', 'GET /users/:id'] });
    app.get('/health', async () => 'fine');
    app.get('/secret', async () => 'SECRET');
    app.get('/users/:id', async () => 'user');
    app.get('/users/me', async () => 'SECRET');
    app.get('/hosted', { constraints: { host: 'x' } }, async () => 'SECRET');
    app.all('/every', async () => 'SECRET');
    app.get('/:a-:b', async () => 'SECRET');
    app.get('/number/:n(^\\d+$)', async () => 'SECRET');
    await app.register(
      async (inner) => {
        inner.get('/', async () => 'SECRET');
        inner.get('/fails', async () => {
          throw new Error('x');
        });
        inner.addHook('onRequest', async (request, reply) =>
          request.headers['x-hook'] === '1' ? reply.send('SECRET') : undefined,
        );
        inner.setErrorHandler(async () => 'SECRET');
        inner.setNotFoundHandler(async () => 'SECRET');
      },
      { prefix: '/inner' },
    );
    await app.listen({ port: 0, host: '127.0.0.1' });
    return listen(app.server);
  };

  test('rewriting, constraints, patterns, loose paths, hooks, errors', () =>
    leaksWithoutGuard(start, [
      ['rewriteUrl', 'GET /health?as=secret'],
      ['static beside a public parameter', 'GET /users/me'],
      ['host constraint', 'GET /hosted'],
      ['app.all', 'DELETE /every'],
      ['two parameters in a segment', 'GET /1-2'],
      ['parameter with a pattern', 'GET /number/7'],
      ['slash at the end', 'GET /secret/'],
      ['case', 'GET /SECRET'],
      ['double slash', 'GET //secret'],
      ['prefix alone', 'GET /inner'],
      ['hook of a plugin', 'GET /inner/', ['X-Hook: 1']],
      ['error handler of a plugin', 'GET /inner/fails'],
      ['not found of a plugin', 'GET /inner/nothing'],
      ['URL that cannot be decoded', 'GET /%zz'],
      ['expect', 'GET /every', ['Expect: 100-continue', 'Content-Length: 0']],
    ]));

  test('an upgrade header alone is no upgrade', () =>
    leaksWithoutGuard(
      async (guarded) => {
        const app = Fastify();
        if (guarded) guardFastify(app, { ...NOBODY, public: ['UPGRADE /live'] });
        await app.register(fastifyWebsocket);
        app.route({
          method: 'GET',
          url: '/live',
          handler: async () => 'SECRET',
          wsHandler: (socket) => socket.close(),
        });
        await app.listen({ port: 0, host: '127.0.0.1' });
        return listen(app.server);
      },
      [['without `Connection: upgrade`', 'GET /live', ['Upgrade: websocket']]],
    ));

  test('a route cannot be added when the application runs, guarded or not', async () => {
    const app = Fastify();
    guardFastify(app, NOBODY);
    await app.ready();
    expect(() => app.get('/late', async () => 'SECRET')).toThrow(/already/);
  });
});

describe('servers', () => {
  const LISTENERS: Record<string, () => RequestListener> = {
    express: () => {
      const app = express();
      guardExpress(app, { ...NOBODY, public: ['GET /health'] });
      return app.use((_request, response) => void response.send('SECRET'));
    },
    koa: () => {
      const app = new Koa();
      guardKoa(app, { ...NOBODY, public: ['GET /health'] });
      return app
        .use((ctx) => {
          ctx.body = 'SECRET';
        })
        .callback();
    },
  };

  test.each(Object.keys(LISTENERS))('%s over HTTP/2: refused, the public path as well', async (name) => {
    const server = createServer2(LISTENERS[name]!() as never);
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const client = connect2(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    for (const path of ['/secret', '/health']) {
      const stream = client.request({ ':path': path });
      const status = await new Promise((resolve) => {
        stream.on('response', (headers) => resolve(headers[':status']));
        stream.on('error', () => resolve('none'));
        stream.on('close', () => resolve('none'));
      });
      expect([path, status]).toEqual([path, 401]);
    }
    client.close();
  });

  test('node:http: CONNECT, Expect, another listener, a response of its own class', async () => {
    const start = async (guarded: boolean) => {
      class Loud extends ServerResponse {}
      const server = createServer({ ServerResponse: Loud }, (_request, response) => response.end('SECRET'));
      server.on('connect', (_request, socket) => socket.end('HTTP/1.1 200 OK\r\n\r\nSECRET'));
      server.on('checkContinue', (_request, response) => response.end('SECRET'));
      server.on('checkExpectation', (_request, response) => response.end('SECRET'));
      if (guarded) guardHttp(server, { ...NOBODY, public: ['GET /health', 'CONNECT /'] });
      return listen(server);
    };
    await leaksWithoutGuard(start, [
      ['100-continue', 'POST /x', ['Expect: 100-continue', 'Content-Length: 0']],
      ['another expectation', 'POST /x', ['Expect: 200-ok', 'Content-Length: 0']],
      ['absolute form', 'GET http://x/health'],
      ['asterisk', 'OPTIONS *'],
      ['method override', 'GET /health', ['X-HTTP-Method-Override: DELETE']],
      ['override in the query', 'GET /health?_method=DELETE'],
    ]);
    expect(await raw(await start(true), 'CONNECT secret.example:80')).toBe('401');
  });

  test('the lenient parser, which joins folded headers to one line, is refused', async () => {
    const start = async (guarded: boolean) => {
      const server = createServer({ insecureHTTPParser: true }, (_request, response) =>
        response.end('SECRET'),
      );
      if (guarded) guardHttp(server, { ...NOBODY, public: ['GET /health'] });
      return listen(server);
    };
    await leaksWithoutGuard(start, [
      ['folded', 'GET /health', ['X-A: a', ' X-HTTP-Method-Override: DELETE']],
    ]);
  });
});
