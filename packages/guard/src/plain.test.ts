import { expect, test } from 'vitest';
import { ambiguity, asksForMethod, hasPlainHeaders, isPlainTarget } from './plain.ts';

test.each([
  '/',
  '/a',
  '/a/',
  '/a/b.c',
  '/...',
  '/a.',
  '/.well-known/x',
  '/a%20b',
  '/%C3%A9',
  "/a@b:c,d=e+f!$&'()*~-_",
  '/%3A%40%26%3D%2B%24%2C%22',
  '/?',
  '/a?b=/../c&d=%2e%2F;#'.slice(0, -1),
  '/a?b=%zz',
])('plain: %s', (target) => expect(isPlainTarget(target)).toBe(true));

test.each([
  '',
  '*',
  'a',
  '//',
  '//a',
  '/a//b',
  '/a/./b',
  '/a/../b',
  '/.',
  '/..',
  '/a/..',
  '/a/.?b',
  '/a/..?b',
  '/a%2Fb',
  '/a%2fb',
  '/%2e',
  '/%2E%2E/a',
  '/%61',
  '/%7E',
  '/%2D',
  '/%5F',
  '/%30',
  '/%25',
  '/%2561',
  '/%5C',
  '/%3B',
  '/%3F',
  '/%23',
  '/%00',
  '/%0a',
  '/%7F',
  '/%1F',
  '/%C0%AF',
  '/%E0%80%AF',
  '/%ED%A0%80',
  '/%FF',
  '/%C3',
  '/%',
  '/%2',
  '/%zz',
  '/%u002f',
  '/a;b',
  '/a\\b',
  '/a#b',
  '/a?b#c',
  '/a b',
  '/a\tb',
  '/a\0',
  '/a\n',
  '/é',
  '/a?é',
  '/a?b\n',
  'http://x/a',
  'HTTP://x/a',
])('not plain: %j', (target) => expect(isPlainTarget(target)).toBe(false));

/** The same said once more, without percent-encoding and without a thought of speed. */
function isPlainBySegments(target: string): boolean {
  const [path = '', ...query] = target.split('?');
  const segments = path.split('/').slice(1);
  return (
    path.startsWith('/') &&
    segments.every(
      (each, index) => each !== '.' && each !== '..' && (each !== '' || index === segments.length - 1),
    ) &&
    /^[/\w.~!$&'()*+,=:@-]*$/.test(path) &&
    /^[!"$-~]*$/.test(query.join('?'))
  );
}

test('short targets out of all characters that matter', () => {
  const characters = [
    'a',
    'Z',
    '_',
    '.',
    '.',
    '/',
    '/',
    '?',
    '@',
    '~',
    '#',
    ';',
    '\\',
    ' ',
    '\0',
    '\x7f',
    '\x80',
    'é',
    '"',
    '{',
    '\n',
  ];
  const wrong: string[] = [];
  let plain = 0;
  for (let number = 0; number < 60_000; number++) {
    let rest = number * 7919;
    let target = number % 8 === 0 ? '' : '/';
    for (let i = 0; i < 1 + (number % 6); i++) {
      target += characters[rest % characters.length];
      rest = Math.floor(rest / characters.length);
    }
    if (isPlainBySegments(target)) plain++;
    if (isPlainTarget(target) !== isPlainBySegments(target)) wrong.push(target);
  }
  expect(wrong).toEqual([]);
  expect(plain).toBeGreaterThan(2000);
});

test('a long target takes time in proportion to its length', () => {
  const begun = performance.now();
  for (const part of ['/a', '/', '%20', '/.', 'a', '/a.', '%']) isPlainTarget(`/${part.repeat(20_000)}\\`);
  expect(performance.now() - begun).toBeLessThan(500);
});

const USUAL = [
  'Host',
  'a.example:8080',
  'Accept',
  '*/*',
  'Authorization',
  'Bearer x',
  'Cookie',
  'a=b',
  'Cookie',
  'c=d',
];

test.each([
  [['Host', 'a', 'Host', 'a']],
  [['HOST', 'a', 'host', 'b']],
  [['Authorization', 'a', 'authorization', 'a']],
  [['Content-Length', '1', 'Content-Length', '1']],
  [['Content-Type', 'a', 'Content-Type', 'b']],
  [['Content-Length', '1', 'Transfer-Encoding', 'chunked']],
  [['Transfer-Encoding', 'gzip, chunked']],
  [['Transfer-Encoding', 'xchunked']],
  [['Host', 'x/y']],
  [['Host', 'x@y']],
  [['Host', 'x?']],
  [['X-HTTP-Method-Override', 'DELETE']],
  [['x-method-override', 'DELETE']],
  [['X-HTTP-Method', 'DELETE']],
  [['X-Original-URL', '/']],
  [['X-Rewrite-URL', '/']],
  [['X-Original-Method', 'GET']],
])('not plain: %j', (headers) => {
  expect(hasPlainHeaders(USUAL)).toBe(true);
  expect(hasPlainHeaders(headers)).toBe(false);
});

test.each(['\n', '\r', '\r\n '])(
  'a header over two lines, where no parser of Node has seen it: %j',
  (end) => {
    const request = { httpVersionMajor: 1, rawHeaders: ['X-A', `b${end}c`], socket: null as never };
    expect(ambiguity(request, '/a')).toBe('ambiguous headers');
    expect(ambiguity({ ...request, rawHeaders: ['X-A', 'bc'] }, '/a')).toBeUndefined();
  },
);

test('a query that asks for another method', () => {
  for (const query of ['?_method=DELETE', '?a&_Method', '?%5fmethod=x', '?_%6Dethod=x']) {
    expect(asksForMethod(`/a${query}`)).toBe(true);
  }
  expect(asksForMethod('/a?method=x')).toBe(false);
  expect(asksForMethod('/_method=x')).toBe(false);
});
