// A public route of Hono with nothing else in its match: what it answers counts, what comes after it does not.
import { Hono } from 'hono';
import { Hono as Hono3 } from 'hono3';
import { describe, expect, test } from 'vitest';
import { guard, open } from '../src/hono.ts';

describe.each([
  ['hono', () => new Hono()],
  ['hono3', () => new Hono3() as unknown as Hono],
])('%s', (_name, make) => {
  const app = make();
  const paths = ['/sync', '/async', '/next', '/later', '/throws', '/rejects', '/late', '/lost', '/open/*'];
  guard(app, { public: [...paths.map((path) => `GET ${path}`), 'GET /none'] });
  app.get('/sync', (c) => c.text('sync'));
  app.get('/async', async (c) => c.text('async'));
  app.get('/next', (_c, next) => next() as never);
  app.get('/later', async (_c, next) => {
    await Promise.resolve();
    await next();
  });
  app.get('/throws', () => {
    throw new Error('thrown');
  });
  app.get('/rejects', async () => {
    throw new Error('rejected');
  });
  app.get('/late', async (_c, next) => {
    await next();
    throw new Error('after next');
  });
  app.get('/lost', (_c, next) => {
    void next();
    throw new Error('after next');
  });
  app.use(
    '/open/*',
    open(async (_c, next) => next()),
  );
  app.onError((error, c) => c.text(error.message, 500));
  app.notFound((c) => c.text('secret of not found'));
  const get = async (path: string) => {
    const response = await app.request(path);
    return `${response.status} ${await response.text()}`;
  };

  test.each([
    ['/sync', '200 sync'],
    ['/async', '200 async'],
    ['/throws', '500 thrown'],
    ['/rejects', '500 rejected'],
  ])('%s: %s', async (path, answer) => {
    expect(await get(path)).toBe(answer);
    expect(await get(path)).toBe(answer);
  });

  test.each(['/next', '/later', '/late', '/lost', '/open/x', '/none'])('%s is refused', async (path) => {
    expect(await get(path)).toBe('401 ');
    expect(await get(path)).toBe('401 ');
  });
});
