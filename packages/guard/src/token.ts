// Tokens: compares a bearer token in a time that tells nothing about it.
import { timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Answer } from './options.ts';

/** What carries headers: Node's, Express's and Fastify's request, Koa's context, or Hono's context. */
export type WithHeaders =
  | { readonly headers: { readonly authorization?: string | undefined } }
  | { readonly req: { header(name: 'authorization'): string | undefined }; readonly env?: unknown };

const BEARER = /^bearer +([\w.~+/-]+=*)$/i;
const SHORTEST = 16;
const LONGEST = 256;

/**
 * An `authorize` that lets in who sends `Authorization: Bearer TOKEN` with one of the expected tokens.
 *
 * Takes the same time wherever the tokens differ, and however long the expected ones are: all of them are compared, each
 * filled up to 256 bytes.
 * @throws TypeError when a token is missing, shorter than 16 characters or longer than 256, or can't stand in the header:
 *   an empty environment variable must not become a password
 *
 * @example
 * guard(app, { authorize: tokenIs(process.env['TOKEN']), public: ['GET /health'] });
 */
export function tokenIs(...expected: readonly (string | undefined)[]): (request: WithHeaders) => Answer {
  if (expected.length === 0) throw new TypeError('tokenIs: expected at least one token');
  const filled = expected.map((token) => {
    if (typeof token !== 'string' || !isToken(token)) {
      const given = typeof token === 'string' ? `one of ${token.length} characters` : String(token);
      throw new TypeError(
        `tokenIs: expected tokens of ${SHORTEST} to ${LONGEST} characters out of A-Z a-z 0-9 - . _ ~ + / and =, got ${given}`,
      );
    }
    return fill(Buffer.alloc(LONGEST), token);
  });
  const given = Buffer.alloc(LONGEST);
  return (request) => {
    const header = headerOf(request);
    const sent = typeof header === 'string' ? BEARER.exec(header)?.[1] : undefined;
    if (sent === undefined || sent.length > LONGEST) return false;
    fill(given, sent);
    let found = false;
    for (const each of filled) found = timingSafeEqual(each, given) || found;
    return found;
  };
}

function headerOf(request: WithHeaders): string | undefined {
  if ('headers' in request) return request.headers.authorization;
  // Hono makes an object of all headers to find one; Node has it at hand.
  const incoming = (request.env as { incoming?: IncomingMessage } | undefined)?.incoming;
  return incoming === undefined ? request.req.header('authorization') : incoming.headers.authorization;
}

function isToken(text: string): boolean {
  return text.length >= SHORTEST && text.length <= LONGEST && BEARER.test(`Bearer ${text}`);
}

/** A token has no NUL, so that no two are alike when they are filled up with it. */
function fill(buffer: Buffer, token: string): Buffer {
  buffer.fill(0);
  buffer.write(token, 'latin1');
  return buffer;
}
