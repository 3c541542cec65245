import { expect, test } from 'vitest';
import { tokenIs } from './token.ts';

const TOKEN = 'correct-horse-battery-staple';
const asked = (authorize: ReturnType<typeof tokenIs>, authorization?: string) =>
  authorize({ headers: { authorization } });

test('lets in who sends one of the tokens', () => {
  const authorize = tokenIs(TOKEN, 'another-of-sixteen');
  expect(asked(authorize, `Bearer ${TOKEN}`)).toBe(true);
  expect(asked(authorize, `bearer ${TOKEN}`)).toBe(true);
  expect(asked(authorize, 'Bearer another-of-sixteen')).toBe(true);
  expect(authorize({ req: { header: () => `Bearer ${TOKEN}` } })).toBe(true);
});

test.each([
  undefined,
  '',
  'Bearer',
  'Bearer ',
  TOKEN,
  `Basic ${TOKEN}`,
  `Bearer ${TOKEN}x`,
  `Bearer ${TOKEN.slice(0, -1)}`,
  `Bearer ${TOKEN} x`,
  `Bearer ${TOKEN}, Bearer ${TOKEN}`,
  `Bearer ${TOKEN.toUpperCase()}`,
  `Bearer ${TOKEN}\0`,
  `Bearer ${'x'.repeat(257)}`,
])('refuses %j', (header) => expect(asked(tokenIs(TOKEN), header)).toBe(false));

test('a longer token leaves nothing behind for the next comparison', () => {
  const authorize = tokenIs(TOKEN);
  expect(asked(authorize, `Bearer ${TOKEN}${'x'.repeat(200)}`)).toBe(false);
  expect(asked(authorize, `Bearer ${TOKEN}`)).toBe(true);
});

test.each([
  [[]],
  [[undefined]],
  [['']],
  [['short']],
  [['with space in the token']],
  [['x'.repeat(257)]],
  [[TOKEN, undefined]],
])('cannot be made of %j', (tokens) => expect(() => tokenIs(...(tokens as string[]))).toThrow(TypeError));
