// The forgetful service, once in each framework: the same routes, of which few are public and some leak.
// `x-secret` and SECRET mark what nobody without the token may see; `ran` counts the closed routes that were run.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { serve } from '@hono/node-server';
import Router from '@koa/router';
import { guard as guardExpress } from '../src/express.ts';
import { guard as guardFastify } from '../src/fastify.ts';
import { guard as guardHono } from '../src/hono.ts';
import { guard as guardHttp } from '../src/http.ts';
import { guard as guardKoa } from '../src/koa.ts';
import type { GuardOptions } from '../src/options.ts';

const TOKEN = 'correct-horse-battery-staple';

/** What is before the routes: nothing, a guard (with its options), or a check of paths as people write it by hand. */
export type Protection =
  | { readonly kind: 'none' }
  | { readonly kind: 'guard'; readonly options: Omit<GuardOptions<never>, 'authorize' | 'public'> }
  | { readonly kind: 'path check' };

export interface Service {
  readonly port: number;
  readonly server: Server;
  /** How often a handler of a closed route was run. */
  ran(): number;
  close(): Promise<void>;
}

export const NAMES = [
  'http',
  'express',
  'express4',
  'fastify',
  'fastify4',
  'hono',
  'hono3',
  'koa',
  'koa2',
] as const;
export type Name = (typeof NAMES)[number];

const LITERAL = ['GET /health', 'GET /api/status'];
const PUBLIC = [...LITERAL, 'GET /users/:id'];

// biome-ignore lint/suspicious/noExplicitAny: one text for two majors, whose types differ.
type Any = any;
type Listener = (request: IncomingMessage, response: ServerResponse) => unknown;

const bearer = ({ headers }: { headers: { authorization?: string | undefined } }) =>
  headers.authorization === `Bearer ${TOKEN}`;

/** Starts a service on a port of its own on 127.0.0.1. */
export async function start(name: Name, protection: Protection): Promise<Service> {
  const count = { ran: 0 };
  const module: Any = name === 'http' ? undefined : await import(name);
  const made = await BUILD[name.replace(/\d$/, '') as keyof typeof BUILD](module, protection, count);
  const server = made.server;
  server.on('upgrade', (_request: IncomingMessage, socket: Duplex) => {
    socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nSECRET');
  });
  server.keepAliveTimeout = 60_000;
  if (!server.listening) await made.listen();
  return {
    port: (server.address() as AddressInfo).port,
    server,
    ran: () => count.ran,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

interface Made {
  readonly server: Server;
  listen(): Promise<unknown>;
}

function listening(server: Server): Made {
  return { server, listen: () => new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(0))) };
}

/** The check that one finds in services: a list of what needs a token, compared with the start of the path. */
function needsToken(url: string): boolean {
  return !['/health', '/api/status', '/users/'].some((prefix) => url.startsWith(prefix));
}

/** Method override and URL rewriting, as popular middlewares do them. */
function override(request: {
  method?: string | undefined;
  url?: string | undefined;
  headers: IncomingMessage['headers'];
}) {
  const { headers } = request;
  const query = new URLSearchParams((request.url ?? '').split('?')[1] ?? '').get('_method');
  const method =
    headers['x-http-method-override'] ?? headers['x-method-override'] ?? headers['x-http-method'] ?? query;
  if (typeof method === 'string' && /^(GET|POST|PUT|DELETE|PATCH)$/i.test(method))
    request.method = method.toUpperCase();
  const url = headers['x-rewrite-url'] ?? headers['x-original-url'];
  if (typeof url === 'string' && url.startsWith('/')) request.url = url;
}

interface Count {
  ran: number;
}

const BUILD = {
  async http(_module: Any, protection: Protection, count: Count): Promise<Made> {
    const send = (response: ServerResponse, status: number, text: string) => {
      response.statusCode = status;
      if (text.startsWith('SECRET')) {
        count.ran++;
        response.setHeader('x-secret', '1');
      }
      response.end(text);
    };
    const listener: Listener = (request, response) => {
      if (protection.kind === 'path check' && needsToken(request.url ?? '') && !bearer(request)) {
        return send(response, 401, '');
      }
      override(request);
      let path: string;
      try {
        path = decodeURIComponent(new URL(request.url ?? '', 'http://host').pathname).toLowerCase();
      } catch {
        return send(response, 400, 'SECRET bad request');
      }
      path = path
        .replace(/;[^/]*/g, '')
        .replace(/\/+/g, '/')
        .replace(/(.)[/.]$/, '$1');
      const method = request.method === 'HEAD' ? 'GET' : request.method;
      if (path === '/health' && method === 'GET') return send(response, 200, 'fine');
      if (path === '/api/status' && method === 'GET') return send(response, 200, 'fine');
      if (path === '/secret' && !bearer(request)) return send(response, 401, '');
      if (/^\/(secret|another-secret|api\/keys|files\/.*|static\/.*|any|health|users\/.*)$/.test(path)) {
        return send(response, 200, 'SECRET');
      }
      return send(response, 404, 'SECRET not found');
    };
    const server = createServer(listener);
    if (protection.kind === 'guard') {
      guardHttp(server, { ...protection.options, authorize: bearer, public: LITERAL });
    }
    return listening(server);
  },

  async express({ default: express }: Any, protection: Protection, count: Count): Promise<Made> {
    const app = express();
    const secret = (_request: Any, response: Any) => {
      count.ran++;
      response.set('x-secret', '1').send('SECRET');
    };
    const fine = (_request: Any, response: Any) => response.send('fine');
    app.get('/early-secret', secret);
    if (protection.kind === 'path check') {
      app.use((request: Any, response: Any, next: Any) =>
        needsToken(request.url) && !bearer(request) ? response.sendStatus(401) : next(),
      );
    }
    app.use((request: Any, _response: Any, next: Any) => {
      override(request);
      next();
    });
    const api = express.Router();
    api.get('/status', fine);
    app.use('/api', api);
    // In the middle, as if somebody had forgotten that order matters.
    if (protection.kind === 'guard') {
      guardExpress(app, { ...protection.options, authorize: bearer, public: PUBLIC });
    }
    api.get('/keys', secret);
    app.get('/health', fine);
    app.post('/health', secret);
    app.get('/secret', (request: Any, response: Any) =>
      bearer(request) ? secret(request, response) : response.sendStatus(401),
    );
    app.get('/another-secret', secret);
    app.get('/users/me', secret);
    app.get('/users/:id', fine);
    app.delete('/users/:id', secret);
    app.get(/^\/files\/.*/, secret);
    app.all('/any', secret);
    app.use('/static', secret);
    const admin = express();
    admin.get('/panel', secret);
    admin.get('/:page', secret);
    app.use('/admin', admin);
    app.get('/fail', () => {
      count.ran++;
      throw new Error('SECRET');
    });
    app.use((_request: Any, response: Any) =>
      response.status(404).set('x-secret', '1').send('SECRET not found'),
    );
    app.use((_error: Any, _request: Any, response: Any, _next: Any) =>
      response.status(500).set('x-secret', '1').send('SECRET error'),
    );
    return listening(createServer(app));
  },

  async fastify({ default: Fastify }: Any, protection: Protection, count: Count): Promise<Made> {
    const app = Fastify({
      frameworkErrors: (_error: Any, _request: Any, reply: Any) =>
        reply.code(400).header('x-secret', '1').send('SECRET error'),
      rewriteUrl: (request: Any) => {
        override(request);
        return request.url;
      },
    });
    if (protection.kind === 'guard') {
      guardFastify(app, { ...protection.options, authorize: bearer, public: PUBLIC });
    }
    if (protection.kind === 'path check') {
      app.addHook('onRequest', async (request: Any, reply: Any) => {
        if (needsToken(request.url) && !bearer(request)) return reply.code(401).send();
        return undefined;
      });
    }
    const secret = (_request: Any, reply: Any) => {
      count.ran++;
      reply.header('x-secret', '1').send('SECRET');
    };
    const fine = (_request: Any, reply: Any) => reply.send('fine');
    app.get('/early-secret', secret);
    app.get('/health', fine);
    app.post('/health', secret);
    app.get('/secret', (request: Any, reply: Any) =>
      bearer(request) ? secret(request, reply) : reply.code(401).send(),
    );
    app.get('/another-secret', secret);
    app.get('/users/me', secret);
    app.get('/users/:id', fine);
    app.delete('/users/:id', secret);
    app.get('/files/*', secret);
    app.get('/static/*', secret);
    app.all('/any', secret);
    app.register(
      async (api: Any) => {
        api.get('/status', fine);
        api.get('/keys', secret);
      },
      { prefix: '/api' },
    );
    app.register(
      async (admin: Any) => {
        admin.get('/:page', secret);
        admin.setNotFoundHandler(secret);
      },
      { prefix: '/admin' },
    );
    app.get('/fail', async () => {
      count.ran++;
      throw new Error('SECRET');
    });
    app.setNotFoundHandler((_request: Any, reply: Any) =>
      reply.code(404).header('x-secret', '1').send('SECRET not found'),
    );
    app.setErrorHandler((_error: Any, _request: Any, reply: Any) =>
      reply.code(500).header('x-secret', '1').send('SECRET error'),
    );
    return { server: app.server, listen: () => app.listen({ port: 0, host: '127.0.0.1' }) };
  },

  async hono({ Hono }: Any, protection: Protection, count: Count): Promise<Made> {
    const app = new Hono();
    const secret = (c: Any) => {
      count.ran++;
      c.header('x-secret', '1');
      return c.text('SECRET');
    };
    const fine = (c: Any) => c.text('fine');
    const hasToken = (c: Any) => c.req.header('authorization') === `Bearer ${TOKEN}`;
    if (protection.kind === 'path check') {
      app.use('*', async (c: Any, next: Any) => {
        if (needsToken(new URL(c.req.url).pathname) && !hasToken(c)) return c.body(null, 401);
        return next();
      });
    }
    app.get('/early-secret', secret);
    app.use('*', async (c: Any, next: Any) => {
      c.header('x-secret-of-middleware', '1');
      await next();
    });
    app.get('/health', fine);
    if (protection.kind === 'guard') {
      guardHono(app, { ...protection.options, authorize: hasToken, public: PUBLIC });
    }
    app.post('/health', secret);
    app.get('/secret', (c: Any) => (hasToken(c) ? secret(c) : c.body(null, 401)));
    app.get('/another-secret', secret);
    app.get('/users/me', secret);
    app.get('/users/:id', fine);
    app.delete('/users/:id', secret);
    app.get('/files/*', secret);
    app.use('/static/*', async (c: Any, _next: Any) => secret(c));
    app.all('/any', secret);
    const api = new Hono();
    api.get('/status', fine);
    api.get('/keys', secret);
    app.route('/api', api);
    app.mount('/admin', () => {
      count.ran++;
      return new Response('SECRET', { headers: { 'x-secret': '1' } });
    });
    app.get('/fail', () => {
      count.ran++;
      throw new Error('SECRET');
    });
    app.notFound((c: Any) => c.text('SECRET not found', 404, { 'x-secret': '1' }));
    app.onError((_error: Any, c: Any) => c.text('SECRET error', 500, { 'x-secret': '1' }));
    return await new Promise((resolve) => {
      const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, () =>
        resolve({ server: server as Server, listen: async () => undefined }),
      );
    });
  },

  async koa({ default: Koa }: Any, protection: Protection, count: Count): Promise<Made> {
    const app = new Koa();
    app.silent = true;
    const secret = (ctx: Any) => {
      count.ran++;
      ctx.set('x-secret', '1');
      ctx.body = 'SECRET';
    };
    const fine = (ctx: Any) => {
      ctx.body = 'fine';
    };
    if (protection.kind === 'path check') {
      app.use(async (ctx: Any, next: Any) => {
        if (needsToken(ctx.url) && !bearer(ctx)) ctx.status = 401;
        else await next();
      });
    }
    app.use(async (ctx: Any, next: Any) => {
      try {
        override(ctx.req);
        await next();
        if (ctx.status === 404) {
          ctx.set('x-secret', '1');
          ctx.status = 404;
          ctx.body = 'SECRET not found';
        }
      } catch {
        ctx.status = 500;
        ctx.set('x-secret', '1');
        ctx.body = 'SECRET error';
      }
    });
    app.use(async (ctx: Any, next: Any) => (ctx.path === '/early-secret' ? secret(ctx) : next()));
    const router = new Router();
    router.get('/health', fine);
    router.post('/health', secret);
    if (protection.kind === 'guard') {
      guardKoa(app, { ...protection.options, authorize: bearer, public: PUBLIC });
    }
    router.get('/secret', (ctx: Any) => (bearer(ctx) ? secret(ctx) : ctx.throw(401)));
    router.get('/another-secret', secret);
    router.get('/users/me', secret);
    router.get('/users/:id', fine);
    router.delete('/users/:id', secret);
    router.get('/files/*path', secret);
    router.all('/any', secret);
    const api = new Router();
    api.get('/status', fine);
    api.get('/keys', secret);
    router.use('/api', api.routes());
    router.get('/fail', () => {
      count.ran++;
      throw new Error('SECRET');
    });
    app.use(router.routes());
    app.use(async (ctx: Any, next: Any) => (ctx.path.startsWith('/static/') ? secret(ctx) : next()));
    return listening(createServer(app.callback()));
  },
};
