// What is the same for every framework. The guards themselves are in @moat/guard/http, /express, /fastify, /hono, /koa.
export { expectPublic } from './expect-public.ts';
export type { Answer, Guard, GuardOptions, Reason, Refusal, Route } from './options.ts';
export { tokenIs } from './token.ts';
