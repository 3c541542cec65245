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
  return isUsual(target) || (TARGET.test(target) && (!NOT_ASCII.test(target) || isUtf8(target)));
}

const SLASH = 47;
const PLAIN = 1;
const DOT = 2;
const IN_QUERY = 4;
/** By character code: what a usual target may have where. All else is for the expression. */
const USUAL = new Uint8Array(128);
for (let code = 0x21; code < 0x7f; code++) {
  const text = String.fromCharCode(code);
  if (/[\w~!$&'()*+,=:@-]/.test(text)) USUAL[code] = PLAIN;
  if (text === '.') USUAL[code] = DOT;
  if (text !== '#') USUAL[code]! |= IN_QUERY;
}

/**
 * Most targets, in one pass and less than half the time that the expression takes: nothing encoded, and no segment begins
 * with a dot. Says yes only where the expression does.
 */
function isUsual(target: string): boolean {
  if (target.charCodeAt(0) !== SLASH) return false;
  let allowed = PLAIN;
  let i = 1;
  for (; i < target.length; i++) {
    const code = target.charCodeAt(i);
    if (code < 128 && (USUAL[code]! & allowed) !== 0) allowed = PLAIN | DOT;
    else if (code === SLASH && allowed !== PLAIN) allowed = PLAIN;
    else break;
  }
  if (target.charCodeAt(i) === 63) {
    for (i++; i < target.length; i++) {
      const code = target.charCodeAt(i);
      if (code > 127 || (USUAL[code]! & IN_QUERY) === 0) return false;
    }
  }
  return i === target.length;
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
/** By length and first letter of the name: most headers are of no interest by these two alone. */
const NAMED: readonly (readonly (readonly [name: string, lower: string, meaning: number])[])[] = Array.from(
  { length: 32 * 32 },
  (_, place) =>
    NAMES.filter(([name]) => placeOf(name) === place).map(
      ([name, meaning]) => [name, name.toLowerCase(), meaning] as const,
    ),
);

/** Names are of letters and `-`; what else begins a header may share a place, and is compared in vain. */
function placeOf(name: string): number {
  return name.length * 32 + (name.charCodeAt(0) & 31);
}

/** In capitals as most clients write them, in lower case, or neither. */
function meaningOf(given: string): number | undefined {
  const found = NAMED[placeOf(given)];
  if (found === undefined || found.length === 0) return undefined;
  for (const [name, lower, meaning] of found) if (given === name || given === lower) return meaning;
  const lower = given.toLowerCase();
  return found.find((each) => each[1] === lower)?.[2];
}

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
    const meaning = meaningOf(given);
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
