import { expect, test } from 'vitest';
import { finder, mustBeMatchable, readDeclaration, speaksOf } from './declaration.ts';

const speaks = (path: string, sent: string) =>
  speaksOf(mustBeMatchable(readDeclaration(`GET ${path}`)), sent);

test.each([
  ['/', '/'],
  ['/a', '/a'],
  ['/a/', '/a/'],
  ['/:a', '/x'],
  ['/:a/b', '/x/b'],
  ['/a/*', '/a/b'],
  ['/a/*rest', '/a/b/c'],
  ['/*', '/x'],
])('%s speaks of %s', (path, sent) => expect(speaks(path, sent)).toBe(true));

test.each([
  ['/a', '/a/'],
  ['/a', '/A'],
  ['/a', '/ab'],
  ['/:a', '/'],
  ['/:a', '/x/y'],
  ['/:a/b', '/x'],
  ['/:a/b', '/x/B'],
  ['/a/*', '/a'],
  ['/a/*', '/a/'],
  ['/a/*', '/ab/c'],
  ['/:a/', '/x'],
  ['/a/:b', '/a/'],
])('%s does not speak of %s', (path, sent) => expect(speaks(path, sent)).toBe(false));

test.each(['/:a.json', '/a*', '/*/a', '/a(b)', '/{a}', '//a', '/:a-:b', '/%61/:'])(
  'the guard cannot match %s, and says which segment',
  (path) =>
    expect(() => {
      const declaration = readDeclaration(`GET ${path}`);
      mustBeMatchable(declaration);
    }).toThrow(/has the segment/),
);

test('a method opens itself alone', () => {
  const find = finder(['GET /a', 'POST /b', 'GET /:x/c'].map(readDeclaration));
  expect(find('GET', '/a')?.text).toBe('GET /a');
  expect(find('HEAD', '/a')).toBeUndefined();
  expect(find('GET', '/b')).toBeUndefined();
  expect(find('GET', '/z/c')?.text).toBe('GET /:x/c');
  expect(find('POST', '/z/c')).toBeUndefined();
});
