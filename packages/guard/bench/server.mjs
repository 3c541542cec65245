// One server of the benchmark, a process of its own: `node server.mjs FRAMEWORK bare|checked|guarded|control`, with the built package. Tells its port and its CPU time.
import { createServer } from 'node:http';
import express from 'express';
import Fastify from 'fastify';
import { Hono } from 'hono';
import { serve } from 'hono-node-server2';
import Koa from 'koa';
import { guard as guardExpress } from '../dist/express.js';
import { guard as guardFastify } from '../dist/fastify.js';
import { guard as guardHono } from '../dist/hono.js';
import { guard as guardHttp } from '../dist/http.js';
import { tokenIs } from '../dist/index.js';
import { guard as guardKoa } from '../dist/koa.js';

const TEXT = JSON.stringify({ ok: true });
const guarded = process.argv[3] === 'guarded';
const authorize = tokenIs('correct-horse-battery-staple');
const options = { authorize, public: ['GET /health'] };
/** By hand, in the one handler that needs it: what the guard asks for all of them. */
const may = process.argv[3] === 'checked' ? authorize : () => true;
const MAKE = {
  async http() {
    const server = createServer((request, response) => {
      if (request.url !== '/health' && !may(request)) return response.writeHead(401).end();
      response.setHeader('content-type', 'application/json');
      response.end(TEXT);
    });
    if (guarded) void guardHttp(server, options);
    return server.listen(0, '127.0.0.1');
  },
  async express() {
    const app = express();
    if (guarded) guardExpress(app, options);
    app.get('/health', (_request, response) => void response.json({ ok: true }));
    app.get('/secret', (request, response) =>
      may(request) ? response.json({ ok: true }) : response.sendStatus(401),
    );
    return createServer(app).listen(0, '127.0.0.1');
  },
  async fastify() {
    const app = Fastify();
    if (guarded) guardFastify(app, options);
    app.get('/health', async () => ({ ok: true }));
    app.get('/secret', async (request, reply) => (may(request) ? { ok: true } : reply.code(401).send()));
    await app.listen({ port: 0, host: '127.0.0.1' });
    return app.server;
  },
  async hono() {
    const app = new Hono();
    if (guarded) guardHono(app, options);
    app.get('/health', (c) => c.json({ ok: true }));
    app.get('/secret', (c) => (may(c) ? c.json({ ok: true }) : c.body(null, 401)));
    return serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' });
  },
  async koa() {
    const app = new Koa();
    if (guarded) guardKoa(app, options);
    app.use((ctx) => {
      if (ctx.path !== '/health' && !may(ctx)) return ctx.throw(401);
      ctx.body = { ok: true };
    });
    return createServer(app.callback()).listen(0, '127.0.0.1');
  },
};

const server = await MAKE[process.argv[2]]();
// A turn of the others must not cost a server its connections.
server.keepAliveTimeout = 0;
const tell = () => process.send({ port: server.address().port });
if (server.listening) tell();
else server.once('listening', tell);
process.on('message', () => process.send({ cpu: process.cpuUsage() }));
process.on('disconnect', () => process.exit());
