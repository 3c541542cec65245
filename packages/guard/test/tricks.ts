// Tricks: the ways to write a request so that a check and a router may read two different ones. Each class by name.
export interface Draft {
  readonly method: string;
  readonly target: string;
  readonly version: string;
  /** Whole lines without their ends. */
  readonly headers: readonly string[];
  readonly body: string;
}

/** Numbers below `n`. */
export type Random = (n: number) => number;

/** Numbers that are the same for the same seed (xorshift, 32 bits). */
export function randomBy(seed: number): Random {
  let state = seed | 1;
  return (n) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % n;
  };
}

type Trick = (draft: Draft, random: Random) => Draft;
const pick = <T>(random: Random, values: readonly T[]): T => values[random(values.length)]!;
const hex = (char: string, random: Random) => {
  const digits = char.charCodeAt(0).toString(16).padStart(2, '0');
  return `%${random(2) === 0 ? digits : digits.toUpperCase()}`;
};
/** One place of the target, chosen among those that the pattern finds, becomes something else. */
const at =
  (pattern: RegExp, become: (found: string, random: Random) => string): Trick =>
  (draft, random) => {
    const places = [...draft.target.matchAll(pattern)];
    const place = places[random(Math.max(places.length, 1))];
    if (place === undefined) return draft;
    const { index } = place;
    const [found] = place;
    return {
      ...draft,
      target: draft.target.slice(0, index) + become(found, random) + draft.target.slice(index + found.length),
    };
  };
const ends =
  (...suffixes: readonly string[]): Trick =>
  (draft, random) => ({
    ...draft,
    target: draft.target + pick(random, suffixes),
  });
const line =
  (...lines: readonly string[]): Trick =>
  (draft, random) => ({
    ...draft,
    headers: [...draft.headers, pick(random, lines)],
  });
const PUBLIC = ['/health', '/api/status', '/users/7'];

export const TRICKS = {
  'other path': (draft, random) => ({
    ...draft,
    target: pick(random, [
      '/',
      '/nix',
      '/admin',
      '/users',
      '/users/',
      '/api',
      '/favicon.ico',
      '/:id',
      '/*',
      '/users/:id',
    ]),
  }),
  'other method': (draft, random) => ({
    ...draft,
    method: pick(random, ['POST', 'PUT', 'DELETE', 'PATCH', 'TRACE', 'PROPFIND', 'QUERY', 'M-SEARCH']),
  }),
  'HEAD and OPTIONS': (draft, random) => ({ ...draft, method: pick(random, ['HEAD', 'OPTIONS']) }),
  'encoded slash': at(/\//g, (_found, random) => pick(random, ['%2f', '%2F', '%5c', '/%2f', '%2f/'])),
  'encoded dot': (draft, random) => ({
    ...draft,
    target: pick(random, PUBLIC) + pick(random, ['/%2e%2e', '/.%2e', '/%2E.', '/%2e']) + draft.target,
  }),
  'encoded letter': at(/[a-z]/g, hex),
  'double encoding': at(/[a-z/]/g, (found, random) => hex(found, random).replace('%', '%25')),
  'empty segment': at(/\//g, (_found, random) => pick(random, ['//', '///'])),
  'dot segment': at(/\//g, () => '/./'),
  'dot dot segment': (draft, random) => ({
    ...draft,
    target: pick(random, PUBLIC) + pick(random, ['/..', '/../..', '/../', '/x/../..']) + draft.target,
  }),
  'trailing dot or slash': ends('.', '/', '/.', '..', '//', '%20', '+', ' '),
  'letter case': at(/[a-z]/g, (found) => found.toUpperCase()),
  'matrix parameter': (draft, random) =>
    random(2) === 0
      ? { ...draft, target: `${draft.target};${pick(random, ['x', 'x=1', '/../health', 'jsessionid=1'])}` }
      : { ...draft, target: `${pick(random, PUBLIC)};/..${draft.target}` },
  'absolute form': (draft, random) => ({
    ...draft,
    target: `${pick(random, ['http://other', 'http://x', 'https://x:1', 'HTTP://x', 'http://x/health?', 'http:/', 'http://x@y'])}${draft.target}`,
  }),
  'no slash in front': (draft, random) => ({
    ...draft,
    target: pick(random, [
      draft.target.slice(1),
      '*',
      `?${draft.target}`,
      `.${draft.target}`,
      `@${draft.target}`,
    ]),
  }),
  'NUL and controls': at(
    /\/|$/g,
    (found, random) => found + pick(random, ['%00', '%0a', '%0d%0a', '%09', '%7f', '\x00', '\x0b']),
  ),
  'over-long UTF-8': at(/\//g, (_found, random) =>
    pick(random, ['%c0%af', '%e0%80%af', '/%c0%ae%c0%ae/', '%c1%9c', '%ff', '%ed%a0%80', '\xc0\xaf']),
  ),
  'broken encoding': at(
    /\/|$/g,
    (found, random) => found + pick(random, ['%', '%2', '%zz', '%u002f', '%%32%66']),
  ),
  backslash: at(/\//g, (_found, random) => pick(random, ['\\', '/\\', '\\/'])),
  fragment: (draft, random) => ({
    ...draft,
    target: pick(random, [
      `${draft.target}#`,
      `${draft.target}#/health`,
      `/health#/..${draft.target}`,
      `/health%23/..${draft.target}`,
    ]),
  }),
  query: (draft, random) => ({
    ...draft,
    target: pick(random, [
      `${draft.target}?/health`,
      `${draft.target}??`,
      `/health?/../..${draft.target}`,
      `/health%3f/..${draft.target}`,
      `${draft.target}?x=%2e%2e%2f`,
      `${draft.target}&x`,
    ]),
  }),
  'HTTP/1.0 and others': (draft, random) => ({
    ...draft,
    version: pick(random, ['HTTP/1.0', 'HTTP/1.0', 'HTTP/0.9', 'HTTP/2.0', 'HTTP/1.2', 'http/1.1', '']),
  }),
  'duplicated header': line(
    'Host: other',
    'Authorization: Bearer x',
    'Content-Type: text/plain',
    'Host: /health?',
    'Cookie: a=b',
  ),
  'odd host': (draft, random) => ({
    ...draft,
    headers: [
      `Host: ${pick(random, ['x/health?', 'x/health#', 'x@y', '', 'x:y', '[', 'x\\health', 'x/health/..'])}`,
      ...draft.headers.filter((each) => !/^host:/i.test(each)),
    ],
  }),
  'folded header': line(
    'X-Fold: a\r\n b',
    'Authorization:\r\n Bearer x',
    'Host: x\r\n\ty',
    'X-A : b',
    ' X-B: c',
    'X-C\r\n',
  ),
  'method override': (draft, random) => {
    const method = pick(random, ['DELETE', 'POST', 'GET', 'delete']);
    const target = pick(random, [...PUBLIC, draft.target]);
    return random(3) === 0
      ? { ...draft, target: `${target}?${pick(random, ['_method', '%5fmethod', '_Method'])}=${method}` }
      : line(
          `X-HTTP-Method-Override: ${method}`,
          `X-Method-Override: ${method}`,
          `x-http-method: ${method}`,
        )({ ...draft, target }, random);
  },
  'path override': (draft, random) =>
    line(
      `X-Original-URL: ${draft.target}`,
      `X-Rewrite-URL: ${draft.target}`,
      `X-Forwarded-Prefix: ${draft.target}`,
    )({ ...draft, target: pick(random, PUBLIC) }, random),
  smuggling: (draft, random) => {
    const second = `GET ${draft.target} HTTP/1.1\r\nHost: x\r\n\r\n`;
    return {
      ...draft,
      method: pick(random, ['POST', 'GET']),
      target: pick(random, PUBLIC),
      headers: [
        ...draft.headers.filter((each) => !/^content-length:/i.test(each)),
        ...pick(random, [
          ['Content-Length: 0', 'Transfer-Encoding: chunked'],
          ['Transfer-Encoding: chunked', 'Transfer-Encoding: identity'],
          ['Transfer-Encoding: xchunked'],
          ['Transfer-Encoding: gzip, chunked'],
          ['Transfer-Encoding : chunked'],
          ['Content-Length: 0', `Content-Length: ${second.length}`],
          ['Content-Length: +0'],
          ['Content-Length: 0'],
        ]),
      ],
      body: pick(random, [second, `0\r\n\r\n${second}`]),
    };
  },
  upgrade: (draft, random) => ({
    ...draft,
    target: pick(random, [draft.target, ...PUBLIC]),
    headers: [
      ...draft.headers,
      'Connection: Upgrade',
      `Upgrade: ${pick(random, ['websocket', 'h2c', 'x'])}`,
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    ],
  }),
  CONNECT: (draft, random) => ({
    ...draft,
    method: 'CONNECT',
    target: pick(random, [draft.target, 'x:80', `/health${draft.target}`]),
  }),
  'expect continue': line('Expect: 100-continue', 'Expect: nonsense'),
  'wrong token': line(
    'Authorization: Bearer',
    'Authorization: Bearer wrong',
    'Authorization: Basic eDp4',
    'Authorization: bearer null',
  ),
} satisfies Record<string, Trick>;

export type TrickName = keyof typeof TRICKS;
export const TRICK_NAMES = Object.keys(TRICKS) as TrickName[];

/** Paths of closed routes, of which each framework has most. */
export const CLOSED = [
  '/another-secret',
  '/early-secret',
  '/secret',
  '/api/keys',
  '/users/me',
  '/files/a/b',
  '/static/a.css',
  '/any',
  '/admin/panel',
  '/fail',
];

/** A request without tricks. */
export function plain(method: string, target: string): Draft {
  return { method, target, version: 'HTTP/1.1', headers: ['Host: x'], body: '' };
}

/** A request with up to four tricks after one another. */
export function draw(random: Random): { readonly draft: Draft; readonly tricks: readonly TrickName[] } {
  const method = pick(random, ['GET', 'GET', 'GET', 'GET', 'POST', 'DELETE']);
  let draft = plain(method, random(4) === 0 ? pick(random, PUBLIC) : pick(random, CLOSED));
  const tricks = Array.from({ length: 1 + random(4) }, () => pick(random, TRICK_NAMES));
  for (const name of tricks) draft = TRICKS[name](draft, random);
  return { draft, tricks };
}

/** The bytes on the wire, one a character. */
export function written({ method, target, version, headers, body }: Draft): string {
  const length =
    body === '' || headers.some((each) => /^(content-length|transfer-encoding)/i.test(each))
      ? []
      : [`Content-Length: ${body.length}`];
  return `${method} ${target}${version === '' ? '' : ` ${version}`}\r\n${[...headers, ...length].join('\r\n')}\r\n\r\n${body}`;
}
