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
    return fill(new Uint8Array(LONGEST), token, 0);
  });
  const given = new Uint8Array(LONGEST);
  return (request) => {
    const header = headerOf(request);
    if (typeof header !== 'string') return false;
    const from =
      header.startsWith('Bearer ') && header[7] !== ' ' ? 7 : (BEARER.exec(header)?.[0].length ?? 0);
    if (from === 0 || header.length - from > LONGEST) return false;
    fill(given, header, from);
    let found = false;
    for (const each of filled) found = timingSafeEqual(each, given) || found;
    return found;
  };
}

const NAME = 'authorization';

/** As the client sent it. Node makes `headers` out of `rawHeaders` when somebody asks first, which costs more than all else here. */
function headerOf(request: WithHeaders): string | undefined {
  const raw = rawHeadersOf(request);
  if (raw !== undefined) {
    // The first of several, as in `headers`.
    for (let i = 0; i < raw.length; i += 2) {
      const name = raw[i]!;
      if (name.length === NAME.length && name.toLowerCase() === NAME) return raw[i + 1];
    }
    return undefined;
  }
  return 'headers' in request ? request.headers.authorization : request.req.header(NAME);
}

type Incoming = Partial<Pick<IncomingMessage, 'rawHeaders'>>;

/** Where Node's own request is: itself, in Fastify's request, in Koa's context, in what Hono's server hands over. */
function rawHeadersOf(request: WithHeaders): readonly string[] | undefined {
  const of = request as Incoming & { raw?: Incoming; req?: Incoming; env?: { incoming?: Incoming } };
  return of.rawHeaders ?? of.raw?.rawHeaders ?? of.req?.rawHeaders ?? of.env?.incoming?.rawHeaders;
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
