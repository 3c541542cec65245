// Types: what `authorize` gets in each framework, and what does not compile. `tsc` checks it; vitest runs the rest.
import { createServer, type IncomingMessage } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import express from 'express';
import Fastify, { type FastifyRequest } from 'fastify';
import { type Context, Hono } from 'hono';
import Koa from 'koa';
import { expectTypeOf, test } from 'vitest';
import { guard as guardExpress } from '../src/express.ts';
import { guard as guardFastify } from '../src/fastify.ts';
import { guard as guardHono } from '../src/hono.ts';
import { guard as guardHttp } from '../src/http.ts';
import type { Answer, Guard, GuardOptions, Reason, Refusal, Route } from '../src/index.ts';
import { guard as guardKoa } from '../src/koa.ts';
import { tokenIs } from '../src/token.ts';

const authorize = tokenIs('correct-horse-battery-staple');

test('authorize gets the own request of the framework', () => {
  guardHttp(createServer(), {
    authorize: (request) => {
      expectTypeOf(request).toEqualTypeOf<IncomingMessage>();
      return true;
    },
  });
  guardHttp(createTlsServer(), { authorize });
  guardExpress(express(), {
    authorize: (request) => {
      expectTypeOf(request).toEqualTypeOf<express.Request>();
      return request.get('x') === 'y';
    },
  });
  guardFastify(Fastify({ logger: false }), {
    authorize: async (request) => {
      expectTypeOf(request).toEqualTypeOf<FastifyRequest>();
      return 'forbidden' as const;
    },
  });
  type Own = { Variables: { user: string } };
  guardHono(new Hono<Own>().basePath('/x'), {
    authorize: (c) => {
      expectTypeOf(c).toEqualTypeOf<Context<Own>>();
      return c.get('user') === 'root';
    },
  });
  guardKoa(new Koa<{ user: string }>(), {
    authorize: (ctx) => {
      expectTypeOf(ctx).toEqualTypeOf<Koa.Context>();
      return ctx.get('x') === 'y';
    },
  });
});

test('tokenIs fits all of them', () => {
  guardExpress(express(), { authorize });
  guardFastify(Fastify(), { authorize });
  guardHono(new Hono(), { authorize });
  guardKoa(new Koa(), { authorize });
});

test('what does not compile', () => {
  type Options = GuardOptions<IncomingMessage>;
  // @ts-expect-error 'yes' is no clear answer
  const word: Options = { authorize: () => 'yes' };
  // @ts-expect-error nor is an object
  const object: Options = { authorize: async () => ({ ok: true }) };
  // @ts-expect-error public routes are a list
  const one: Options = { public: 'GET /health' };
  // @ts-expect-error a misspelt option
  const misspelt: Options = { authorise: () => true };
  expectTypeOf([word, object, one, misspelt]).toBeArray();
  // @ts-expect-error an application of another framework
  const wrong = () => guardExpress(new Koa(), {});
  expectTypeOf(wrong).returns.toEqualTypeOf<Guard>();
});

test('the words', () => {
  expectTypeOf<Answer>().toEqualTypeOf<boolean | 'forbidden'>();
  expectTypeOf<Refusal['reason']>().toEqualTypeOf<Reason>();
  expectTypeOf<Refusal['status']>().toEqualTypeOf<401 | 403>();
  expectTypeOf<ReturnType<Guard['routes']>>().toEqualTypeOf<Route[]>();
});
