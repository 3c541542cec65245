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

const SINGLE = new Map([
  ['host', 1],
  ['authorization', 2],
  ['content-length', 4],
  ['transfer-encoding', 8],
  ['content-type', 16],
]);
const BODY_TWICE = 4 | 8;
const OVERRIDES = new Set([
  'x-http-method',
  'x-http-method-override',
  'x-method-override',
  'x-original-method',
  'x-original-url',
  'x-rewrite-url',
]);
/** Headers of other lengths are of no interest: one comparison for most of them. */
const LENGTHS = new Set([...SINGLE.keys(), ...OVERRIDES].map((name) => name.length));
const INTERESTING = Array.from({ length: 32 }, (_, length) => LENGTHS.has(length));

/**
 * Whether nothing in the headers lets two programs see two requests: a header twice of which only one can count, two
 * lengths of the body, a value over two lines, another method or path than in the request line, a host that is none.
 *
 * @param raw names and values in turn, as Node's `rawHeaders` has them
 */
export function hasPlainHeaders(raw: readonly string[]): boolean {
  let seen = 0;
  for (let i = 0; i < raw.length; i += 2) {
    const value = raw[i + 1]!;
    if (value.includes('\n') || value.includes('\r')) return false;
    const given = raw[i]!;
    if (INTERESTING[given.length] !== true) continue;
    const name = given.toLowerCase();
    const bit = SINGLE.get(name);
    if (bit === undefined) {
      if (OVERRIDES.has(name)) return false;
      continue;
    }
    if ((seen & bit) !== 0) return false;
    seen |= bit;
    if (bit === 1 && !HOST.test(value)) return false;
    if (bit === 8 && value.toLowerCase() !== 'chunked') return false;
  }
  return (seen & BODY_TWICE) !== BODY_TWICE;
}

/** What is not plain in a request, if anything. */
export function ambiguity(
  request: Pick<IncomingMessage, 'rawHeaders' | 'httpVersionMajor'>,
  target: string,
): 'ambiguous target' | 'ambiguous headers' | 'HTTP/2' | undefined {
  if (request.httpVersionMajor > 1) return 'HTTP/2';
  if (!isPlainTarget(target)) return 'ambiguous target';
  return hasPlainHeaders(request.rawHeaders) ? undefined : 'ambiguous headers';
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
