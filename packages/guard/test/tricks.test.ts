// Each class of tricks by name against every framework, a short fuzz, and the proof that the fuzzer can find leaks.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fuzz, leakOf, mayBeSeveral } from './fuzz.ts';
import { NAMES, type Name, type Service, start } from './service.ts';
import { CLOSED, plain, randomBy, TRICK_NAMES, TRICKS, written } from './tricks.ts';
import { wire } from './wire.ts';

const REQUESTS = 300;

/** Seen by the tests of both majors of a framework alike, so one of them is enough for the named cases. */
const CURRENT = ['http', 'express', 'fastify', 'hono', 'koa'] as const satisfies Name[];

describe.each(CURRENT)('%s, guarded', (name) => {
  let service: Service;
  beforeAll(async () => {
    service = await start(name, { kind: 'guard', options: {} });
  });
  afterAll(() => service.close());

  test.concurrent.each(TRICK_NAMES)('%s', async (trick) => {
    const random = randomBy(1 + TRICK_NAMES.indexOf(trick));
    const drafts = CLOSED.map((target) => TRICKS[trick](plain('GET', target), random));
    await Promise.all(
      drafts.map(async (draft) => {
        const line = wire(service.port);
        const answer = await line.exchange(written(draft), draft.method, mayBeSeveral(draft));
        line.close();
        expect(leakOf(draft, answer), JSON.stringify([written(draft), answer])).toBeUndefined();
      }),
    );
    expect(service.ran()).toBe(0);
  });

  test('what is public answers, and a refusal tells nothing', async () => {
    const line = wire(service.port, 5000);
    const health = await line.exchange(written(plain('GET', '/health')), 'GET', false);
    expect(health).toMatch(/^HTTP\/1.1 200 .*fine$/s);
    const refused = await line.exchange(written(plain('GET', '/another-secret')), 'GET', false);
    line.close();
    // The adapter of Hono names a type of the empty body.
    expect(
      refused
        .replace(/(Date|content-type): .*\r\n/g, '')
        .toLowerCase()
        .split('\r\n')
        .sort(),
    ).toEqual(
      [
        '',
        '',
        'cache-control: no-store',
        'connection: keep-alive',
        'content-length: 0',
        'http/1.1 401 unauthorized',
        'keep-alive: timeout=60',
        'www-authenticate: bearer',
      ].sort(),
    );
  });
});

test.each(NAMES)('%s: drawn requests find nothing behind the guard', async (name) => {
  const service = await start(name, { kind: 'guard', options: {} });
  const { leaks, ran, requests, statuses } = await fuzz(service, REQUESTS, 4711, 32);
  await service.close();
  expect(leaks).toEqual([]);
  expect({ ran, requests }).toEqual({ ran: 0, requests: REQUESTS });
  // Silence is no proof: most have to be answered.
  expect(statuses.get('') ?? 0).toBeLessThan(REQUESTS * 0.3);
});

test.each(NAMES)(
  '%s: the same requests find leaks without a guard, and behind a check of paths',
  async (name) => {
    for (const kind of ['none', 'path check'] as const) {
      const service = await start(name, { kind });
      const { leaks, ran } = await fuzz(service, REQUESTS / 2, 4711, 32);
      await service.close();
      expect(leaks.length).toBeGreaterThan(10);
      if (kind === 'none') expect(ran).toBeGreaterThan(0);
    }
  },
);
