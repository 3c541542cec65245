// Websockets: with the plugins and servers that people use; refused unless declared, or unless `authorize` lets them in.
import { createServer, type Server } from 'node:http';
import { createSecureServer } from 'node:http2';
import { type AddressInfo, connect } from 'node:net';
import fastifyWebsocket from '@fastify/websocket';
import { getRequestListener, serve } from '@hono/node-server';
import { createNodeWebSocket } from '@hono/node-ws';
import express from 'express';
import Fastify from 'fastify';
import { Hono } from 'hono';
import { serve as serve2, upgradeWebSocket } from 'hono-node-server2';
import Koa from 'koa';
import { afterEach, describe, expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { expectPublic } from '../src/expect-public.ts';
import { guard as guardExpress } from '../src/express.ts';
import { guard as guardFastify } from '../src/fastify.ts';
import { guard as guardHono } from '../src/hono.ts';
import { guard as guardHttp } from '../src/http.ts';
import { guard as guardKoa } from '../src/koa.ts';
import type { GuardOptions, Refusal } from '../src/options.ts';
import { tokenIs } from '../src/token.ts';
import { CERTIFICATE } from './certificate.ts';

const TOKEN = 'correct-horse-battery-staple';
const withToken = { authorization: `Bearer ${TOKEN}` };
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

let lastServer: Server | undefined;
async function listen(server: Server): Promise<string> {
  lastServer = server;
  closers.push(
    () => server.closeAllConnections(),
    () => server.close(),
  );
  if (!server.listening) await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** What a client gets: the first message of an open socket, or why there is none. */
function dial(url: string, headers: Record<string, string> = {}): Promise<string> {
  return new Promise((resolve) => {
    const socket = new WebSocket(url, { headers, handshakeTimeout: 2000, rejectUnauthorized: false });
    socket.on('open', () => socket.send('x'));
    socket.on('message', (data) => {
      resolve(String(data));
      socket.terminate();
    });
    socket.on('error', (error) => resolve(error.message));
    socket.on('close', () => resolve('closed'));
  });
}
const REFUSED = 'Unexpected server response: 401';

/** Sends `hello PATH` over each socket that the server takes, whatever its path. */
function takeAll(server: Server): void {
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket, request) => socket.send(`hello ${request.url}`));
  closers.push(() => sockets.close());
}

// biome-ignore lint/suspicious/noExplicitAny: the same options for the requests of all frameworks.
type Options = GuardOptions<any>;
/** Each serves sockets at /open and /closed, and the page /page, under the same options. */
const SERVICES: Record<string, (options: Options) => Promise<string>> = {
  async 'node:http and ws'(options) {
    const server = createServer((_request, response) => response.end('page'));
    guardHttp(server, options);
    takeAll(server);
    return listen(server);
  },
  async 'Express and ws'(options) {
    const app = express();
    guardExpress(app, options);
    app.get('/page', (_request, response) => void response.send('page'));
    const server = createServer(app);
    takeAll(server);
    return listen(server);
  },
  async 'Koa and ws'(options) {
    const app = new Koa();
    guardKoa(app, options);
    app.use((ctx) => {
      ctx.body = 'page';
    });
    const server = createServer(app.callback());
    takeAll(server);
    return listen(server);
  },
  async '@fastify/websocket'(options) {
    const app = Fastify();
    guardFastify(app, options);
    await app.register(fastifyWebsocket);
    app.get('/page', async () => 'page');
    for (const path of ['/open', '/closed']) {
      app.get(path, { websocket: true }, (socket) => socket.send(`hello ${path}`));
    }
    await app.listen({ port: 0, host: '127.0.0.1' });
    closers.push(() => app.close());
    return listen(app.server);
  },
  async '@hono/node-ws'(options) {
    const app = new Hono();
    guardHono(app, options);
    const helper = createNodeWebSocket({ app });
    app.get('/page', (c) => c.text('page'));
    for (const path of ['/open', '/closed']) {
      app.get(
        path,
        helper.upgradeWebSocket(() => ({ onMessage: (_event, socket) => socket.send(`hello ${path}`) })),
      );
    }
    const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }) as Server;
    helper.injectWebSocket(server);
    await new Promise((resolve) => server.once('listening', resolve));
    return listen(server);
  },
  async '@hono/node-server 2'(options) {
    const app = new Hono();
    guardHono(app, options);
    app.get('/page', (c) => c.text('page'));
    for (const path of ['/open', '/closed']) {
      app.get(
        path,
        upgradeWebSocket(() => ({ onMessage: (_event, socket) => socket.send(`hello ${path}`) })),
      );
    }
    const server = serve2({
      fetch: app.fetch,
      port: 0,
      hostname: '127.0.0.1',
      websocket: { server: new WebSocketServer({ noServer: true }) as never },
    }) as Server;
    await new Promise((resolve) => server.once('listening', resolve));
    return listen(server);
  },
};

describe.each(Object.entries(SERVICES))('%s', (_name, start) => {
  test('a route that nobody declared is refused, and open to the token', async () => {
    const url = await start({ authorize: tokenIs(TOKEN), public: ['GET /page'] });
    expect(await dial(`${url}/open`)).toBe(REFUSED);
    expect(await dial(`${url}/open`, { authorization: 'Bearer another-horse-battery-staple' })).toBe(REFUSED);
    expect(await dial(`${url}/open`, withToken)).toBe('hello /open');
  });

  test('a declared one works, and opens nothing beside it', async () => {
    const refusals: Refusal[] = [];
    const url = await start({
      authorize: tokenIs(TOKEN),
      public: ['GET /page', 'UPGRADE /open'],
      log: (refusal) => refusals.push(refusal),
    });
    expect(await dial(`${url}/open`)).toBe('hello /open');
    expect(await dial(`${url}/open?x=1`)).toMatch(/^hello \/open/);
    for (const path of ['/closed', '/page', '/nothing', '/open/', '/Open', '/%6fpen', '//open']) {
      expect([path, await dial(url + path)]).toEqual([path, REFUSED]);
    }
    expect(refusals.length).toBe(7);
    expect(await dial(`${url}/closed`, withToken)).toBe('hello /closed');
    // The page of the same path is not open with it.
    expect((await fetch(`${url.replace('ws', 'http')}/open`)).status).toBe(401);
    expect((await fetch(`${url.replace('ws', 'http')}/page`)).status).toBe(200);
  });

  test('GET alone does not open the upgrades of its path', async () => {
    const url = await start({ public: ['GET /open'] });
    expect(await dial(`${url}/open`)).toBe(REFUSED);
  });
});

test('Fastify: the table knows which routes take upgrades, and a declaration of another does not start', async () => {
  const app = Fastify();
  const { routes } = guardFastify(app, { authorize: () => false, public: ['UPGRADE /live'] });
  await app.register(fastifyWebsocket);
  app.route({
    method: 'GET',
    url: '/live',
    exposeHeadRoute: false,
    handler: async () => '',
    wsHandler: () => undefined,
  });
  await expectPublic(app, ['UPGRADE /live']);
  expect(routes()).toEqual([
    { method: 'GET', path: '/live', access: 'authorized' },
    { method: 'UPGRADE', path: '/live', access: 'public' },
  ]);
  const other = Fastify();
  guardFastify(other, { public: ['UPGRADE /page'] });
  await other.register(fastifyWebsocket);
  other.get('/page', async () => 'page');
  await expect(other.ready()).rejects.toThrow('UPGRADE /page is public, but there is no such route');
});

test('Express, Koa and Hono: declared upgrades are in the table', async () => {
  const app = express();
  guardExpress(app, { public: ['UPGRADE /live'] });
  await expectPublic(app, ['UPGRADE /live']);
  const koa = new Koa();
  guardKoa(koa, { public: ['UPGRADE /live'] });
  await expectPublic(koa, ['UPGRADE /live']);
  const hono = new Hono();
  guardHono(hono, { public: ['UPGRADE /live', 'UPGRADE /typo'] });
  hono.get(
    '/live',
    upgradeWebSocket(() => ({})),
  );
  await expectPublic(hono, ['UPGRADE /live']);
});

test('Express and Koa: an upgrade has no route, so its path is literal', () => {
  for (const make of [
    () => guardExpress(express(), { public: ['UPGRADE /rooms/:id'] }),
    () => guardKoa(new Koa(), { public: ['UPGRADE /rooms/:id'] }),
    () => guardHttp(createServer(), { public: ['UPGRADE /rooms/:id'] }),
  ]) {
    expect(make).toThrow(/'UPGRADE \/rooms\/:id' is no literal path/);
  }
});

test('Fastify: another websocket server beside the plugin gets no socket that the plugin did not decide about', async () => {
  const app = Fastify();
  takeAll(app.server);
  guardFastify(app, { authorize: tokenIs(TOKEN), public: ['UPGRADE /open'] });
  await app.register(fastifyWebsocket);
  app.get('/open', { websocket: true }, (socket) => socket.send('hello /open'));
  await app.listen({ port: 0, host: '127.0.0.1' });
  closers.push(() => app.close());
  const url = await listen(app.server);
  expect(await dial(`${url}/closed`)).toBe(REFUSED);
});

test.each(Object.entries(SERVICES))(
  '%s: a refused upgrade leaves no socket behind, also when the client stays',
  async (_name, start) => {
    const url = new URL(await start({ authorize: () => false }));
    const server = lastServer!;
    const client = connect({ port: Number(url.port), host: '127.0.0.1', allowHalfOpen: true });
    closers.push(() => client.destroy());
    let answer = '';
    client.on('data', (chunk) => {
      answer += chunk;
    });
    client.write(
      'GET /open HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    );
    await new Promise((resolve) => client.on('end', resolve));
    expect(answer).toMatch(/^HTTP\/1\.1 401 /);
    const open = () => new Promise((resolve) => server.getConnections((_error, count) => resolve(count)));
    await expect.poll(open).toBe(0);
  },
);

describe('a server of HTTP/2 that takes HTTP/1.1, and with it upgrades', () => {
  const overTwo = async (listener: never): Promise<string> => {
    const server = createSecureServer({ ...CERTIFICATE, allowHTTP1: true }, listener);
    closers.push(() => server.close());
    takeAll(server as never);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `wss://127.0.0.1:${(server.address() as AddressInfo).port}`;
  };
  const LISTENERS: Record<string, (options: Options) => never> = {
    Express(options) {
      const app = express();
      guardExpress(app, options);
      return app as never;
    },
    Koa(options) {
      const app = new Koa();
      guardKoa(app, options);
      return app.callback() as never;
    },
    Hono(options) {
      const app = new Hono();
      guardHono(app, options);
      return getRequestListener(app.fetch) as never;
    },
  };

  test.each(Object.entries(LISTENERS))(
    '%s: refused, the page of a public route as well',
    async (_name, listener) => {
      const url = await overTwo(listener({ authorize: tokenIs(TOKEN), public: ['GET /page'] }));
      expect(await dial(`${url}/closed`)).toBe(REFUSED);
      expect(await dial(`${url}/page`)).toBe(REFUSED);
      expect(await dial(`${url}/closed`, { authorization: 'Bearer another-horse-battery-staple' })).toBe(
        REFUSED,
      );
    },
  );

  test.each(['Express', 'Koa'])('%s: declared upgrades and those with a token work', async (name) => {
    const url = await overTwo(LISTENERS[name]!({ authorize: tokenIs(TOKEN), public: ['UPGRADE /open'] }));
    expect(await dial(`${url}/open`)).toBe('hello /open');
    expect(await dial(`${url}/closed`)).toBe(REFUSED);
    expect(await dial(`${url}/closed`, withToken)).toBe('hello /closed');
  });
});
