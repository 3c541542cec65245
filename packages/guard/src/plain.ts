// Plain requests: those whose target and headers every program on the way reads alike. All others are refused, not interpreted.
import type { IncomingMessage } from 'node:http';

/**
 * A target in origin form (RFC 9112, 3.2.1) that nothing can normalise into another one. Segments are not empty, `.` or
 * `..`; of the characters that a path may hold (RFC 3986, 3.3) `;` is left out (matrix parameters). Percent-encoded are
 * only those that must be: no letter, digit, `-._~`, `%`, `/`, `\`, `;`, `?`, `#` or control character.
 */
const TARGET =
  /^\/(?:(?!\.{1,2}(?:[/?]|$))(?:[\w.~!$&'()*+,=:@-]|%(?:2[0-24-9A-Ca-c](?<!%25)|3[AaC-Ec-e]|40|5[BDEbde]|60|7[B-Db-d]|[89A-Fa-f][\dA-Fa-f]))+(?:\/|(?=[?]|$)))*(?:\?[\x21\x22\x24-\x7e]*)?$/;
const NOT_ASCII = /%[89A-Fa-f]/;

/** Whether a request target can be read in one way only. */
export function isPlainTarget(target: string): boolean {
  return TARGET.test(target) && (!NOT_ASCII.test(target) || isUtf8(target));
}

/** decodeURIComponent refuses over-long forms and surrogates. */
function isUtf8(target: string): boolean {
  const query = target.indexOf('?');
  try {
    decodeURIComponent(query < 0 ? target : target.slice(0, query));
    return true;
  } catch {
    return false;
  }
}

/** A host and perhaps a port, and nothing that could become a path or a user when a URL is made of it. */
const HOST = /^[\w.:[\]-]*$/;

const HOSTS = 1;
const CODING = 8;
const BODY_TWICE = 4 | CODING;
const OVERRIDE = -1;
const NAMES: readonly (readonly [name: string, meaning: number])[] = [
  ['Host', HOSTS],
  ['Authorization', 2],
  ['Content-Length', 4],
  ['Transfer-Encoding', CODING],
  ['Content-Type', 16],
  ['X-HTTP-Method', OVERRIDE],
  ['X-HTTP-Method-Override', OVERRIDE],
  ['X-Method-Override', OVERRIDE],
  ['X-Original-Method', OVERRIDE],
  ['X-Original-URL', OVERRIDE],
  ['X-Rewrite-URL', OVERRIDE],
];
/** In capitals as most clients write them, and in lower case. */
const MEANINGS = new Map(
  NAMES.flatMap(([name, meaning]) => [[name, meaning] as const, [name.toLowerCase(), meaning]]),
);
/** Headers of other lengths are of no interest: one comparison for most of them. */
const INTERESTING = Array.from({ length: 32 }, (_, length) => NAMES.some(([name]) => name.length === length));

/** The host of the last request that had a good one; it is the same for most. */
let lastHost = '';

function isHost(value: string): boolean {
  if (value === lastHost) return true;
  if (!HOST.test(value)) return false;
  lastHost = value;
  return true;
}

/**
 * Whether nothing in the headers lets two programs see two requests: a header twice of which only one can count, two
 * lengths of the body, another method or path than in the request line, a host that is none.
 *
 * @param raw names and values in turn, as Node's `rawHeaders` has them
 */
export function hasPlainHeaders(raw: readonly string[]): boolean {
  let seen = 0;
  for (let i = 0; i < raw.length; i += 2) {
    const given = raw[i]!;
    if (INTERESTING[given.length] !== true) continue;
    const meaning = MEANINGS.get(given) ?? MEANINGS.get(given.toLowerCase());
    if (meaning === undefined) continue;
    if (meaning === OVERRIDE || (seen & meaning) !== 0) return false;
    seen |= meaning;
    if (meaning === HOSTS && !isHost(raw[i + 1]!)) return false;
    if (meaning === CODING && raw[i + 1]!.toLowerCase() !== 'chunked') return false;
  }
  return (seen & BODY_TWICE) !== BODY_TWICE;
}

/** Whether a name or value goes over two lines. */
function hasLineEnds(raw: readonly string[]): boolean {
  return raw.some((text) => text.includes('\n') || text.includes('\r'));
}

/** Node's option for all servers that do not say otherwise, `--insecure-http-parser`. */
const LENIENT = [...process.execArgv, process.env['NODE_OPTIONS'] ?? ''].some((each) =>
  /(^|\s)--insecure[-_]http[-_]parser/.test(each),
);

/**
 * Whether headers over two lines could be in a request. Node's parser refuses them, so there is nothing to look for;
 * the lenient one (`insecureHTTPParser`) joins them to one line before anybody sees them, so its requests are all unclear.
 */
function mayBeFolded({ socket, rawHeaders }: Pick<IncomingMessage, 'rawHeaders' | 'socket'>): boolean {
  const server = (socket as { server?: { insecureHTTPParser?: boolean } } | null | undefined)?.server;
  if (server === undefined || server === null) return hasLineEnds(rawHeaders);
  return server.insecureHTTPParser ?? LENIENT;
}

/** What is not plain in a request, if anything. */
export function ambiguity(
  request: Pick<IncomingMessage, 'rawHeaders' | 'httpVersionMajor' | 'socket'>,
  target: string,
): 'ambiguous target' | 'ambiguous headers' | 'HTTP/2' | undefined {
  if (request.httpVersionMajor > 1) return 'HTTP/2';
  if (!isPlainTarget(target)) return 'ambiguous target';
  return hasPlainHeaders(request.rawHeaders) && !mayBeFolded(request) ? undefined : 'ambiguous headers';
}

/** The path of a target, without its query. */
export function pathOf(target: string): string {
  const query = target.indexOf('?');
  return query < 0 ? target : target.slice(0, query);
}

/** Whether the query asks for another method (`?_method=DELETE`, as method-override and its kin read it). */
export function asksForMethod(target: string): boolean {
  const query = target.indexOf('?');
  if (query < 0) return false;
  for (const name of new URLSearchParams(target.slice(query)).keys()) {
    if (name.toLowerCase() === '_method') return true;
  }
  return false;
}
