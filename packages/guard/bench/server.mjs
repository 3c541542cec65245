// One server of the benchmark, a process of its own: `node server.mjs FRAMEWORK bare|guarded|control`, with the built package. Tells its port and its CPU time.
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
const options = { authorize: tokenIs('correct-horse-battery-staple'), public: ['GET /health'] };
const MAKE = {
  async http() {
    const server = createServer((_request, response) => {
      response.setHeader('content-type', 'application/json');
      response.end(TEXT);
    });
    if (guarded) guardHttp(server, options);
    return server.listen(0, '127.0.0.1');
  },
  async express() {
    const app = express();
    if (guarded) guardExpress(app, options);
    app.get('/health', (_request, response) => void response.json({ ok: true }));
    app.get('/secret', (_request, response) => void response.json({ ok: true }));
    return createServer(app).listen(0, '127.0.0.1');
  },
  async fastify() {
    const app = Fastify();
    if (guarded) guardFastify(app, options);
    app.get('/health', async () => ({ ok: true }));
    app.get('/secret', async () => ({ ok: true }));
    await app.listen({ port: 0, host: '127.0.0.1' });
    return app.server;
  },
  async hono() {
    const app = new Hono();
    if (guarded) guardHono(app, options);
    app.get('/health', (c) => c.json({ ok: true }));
    app.get('/secret', (c) => c.json({ ok: true }));
    return serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' });
  },
  async koa() {
    const app = new Koa();
    if (guarded) guardKoa(app, options);
    app.use((ctx) => {
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
