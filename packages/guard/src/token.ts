// Tokens: compares a bearer token in a time that tells nothing about it.
import { timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Answer } from './options.ts';

/** What carries headers: Node's, Express's and Fastify's request, Koa's context, or Hono's context. */
export type WithHeaders =
  | { readonly headers: { readonly authorization?: string | undefined } }
  | { readonly req: { header(name: 'authorization'): string | undefined }; readonly env?: unknown };

const BEARER = /^bearer +/i;
const TOKEN = /^[\w.~+/-]+=*$/;
const SHORTEST = 16;
const LONGEST = 256;
const BLOCK = 64;

const checks = new WeakSet<object>();

/** Whether a function was made by `tokenIs`: it reads nothing but the headers, and answers at once. */
export function isTokenCheck(authorize: object | undefined): boolean {
  return authorize !== undefined && checks.has(authorize);
}

/**
 * An `authorize` that lets in who sends `Authorization: Bearer TOKEN` with one of the expected tokens.
 *
 * Takes the same time wherever the tokens differ: all of them are compared, each filled up to a multiple of 64 bytes, which
 * is all that the time tells of their length.
 * @throws TypeError when a token is missing, shorter than 16 characters or longer than 256, or can't stand in the header:
 *   an empty environment variable must not become a password
 *
 * @example
 * guard(app, { authorize: tokenIs(process.env['TOKEN']), public: ['GET /health'] });
 */
export function tokenIs(...expected: readonly (string | undefined)[]): (request: WithHeaders) => Answer {
  if (expected.length === 0) throw new TypeError('tokenIs: expected at least one token');
  const tokens = expected.map((token) => {
    if (typeof token !== 'string' || !isToken(token)) {
      const given = typeof token === 'string' ? `one of ${token.length} characters` : String(token);
      throw new TypeError(
        `tokenIs: expected tokens of ${SHORTEST} to ${LONGEST} characters out of A-Z a-z 0-9 - . _ ~ + / and =, got ${given}`,
      );
    }
    return token;
  });
  const size = BLOCK * Math.ceil(Math.max(...tokens.map(({ length }) => length)) / BLOCK);
  const filled = tokens.map((token) => fill(new Uint8Array(size), token, 0));
  const given = new Uint8Array(size);
  const check = (request: WithHeaders): Answer => {
    const header = headerOf(request);
    if (typeof header !== 'string') return false;
    const from =
      header.slice(0, 7) === 'Bearer ' && header.charCodeAt(7) !== 32
        ? 7
        : (BEARER.exec(header)?.[0].length ?? 0);
    if (from === 0 || header.length - from > size) return false;
    fill(given, header, from);
    let found = false;
    for (const each of filled) found = timingSafeEqual(each, given) || found;
    return found;
  };
  checks.add(check);
  return check;
}

function headerOf(request: WithHeaders): string | undefined {
  if ('headers' in request) return request.headers.authorization;
  // Hono makes an object of all headers to find one; Node has it at hand.
  const incoming = (request.env as { incoming?: IncomingMessage } | undefined)?.incoming;
  return incoming === undefined ? request.req.header('authorization') : incoming.headers.authorization;
}

function isToken(text: string): boolean {
  return text.length >= SHORTEST && text.length <= LONGEST && TOKEN.test(text);
}

/** Fills a text up with NUL; what is no character of a token becomes 255, so that no two are alike. */
function fill(bytes: Uint8Array, text: string, from: number): Uint8Array {
  bytes.fill(0);
  for (let i = from; i < text.length; i++) {
    const code = text.charCodeAt(i);
    bytes[i - from] = code > 32 && code < 127 ? code : 255;
  }
  return bytes;
}
