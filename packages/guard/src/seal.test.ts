import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { refuse, sealer, sealOf } from './seal.ts';

const written: string[] = [];
const seal = sealer((response, target) => {
  written.push(target);
  refuse(response, 401, 'Bearer');
});

function responseOf(): ServerResponse {
  return new ServerResponse(new IncomingMessage(new Socket()));
}

function statusAfter(response: ServerResponse): number {
  response.end('x');
  return response.statusCode;
}

test('each response has its own seal, in whatever order they are asked about', () => {
  const responses = Array.from({ length: 6 }, responseOf);
  const seals = responses.map((response, index) =>
    index % 3 === 0 ? undefined : seal(response, `/${index}`),
  );
  seals.forEach((each, index) => {
    if (index % 3 === 1) each!.released = true;
  });
  for (const by of [1, 5, 2, 3]) {
    for (let i = 0; i < 6; i++) expect(sealOf(responses[(i * by) % 6]!)).toBe(seals[(i * by) % 6]);
  }
  written.length = 0;
  expect([5, 0, 1, 2, 4, 3].map((index) => statusAfter(responses[index]!))).toEqual([
    401, 200, 200, 401, 200, 200,
  ]);
  expect(written).toEqual(['/5', '/2']);
});

test('a response that was looked at before it was sealed is sealed', () => {
  const response = responseOf();
  expect(sealOf(response)).toBeUndefined();
  expect(sealOf(response)).toBeUndefined();
  const made = seal(response, '/a');
  expect(sealOf(response)).toBe(made);
  expect(statusAfter(response)).toBe(401);
  // The refusal was written past the seal, and the seal is there again.
  expect(sealOf(response)).toBe(made);
  expect(made.refused).toBe(true);
});

test('the seal of an outer guard counts as well', () => {
  const response = responseOf();
  const outer = seal(response, '/outer');
  const inner = seal(response, '/inner');
  expect(inner.outer).toBe(outer);
  inner.released = true;
  expect(statusAfter(response)).toBe(401);
});

test('what is made out of a sealed response is sealed', () => {
  const response = responseOf();
  const made = seal(response, '/a');
  expect(sealOf(responseOf())).toBeUndefined();
  const heir = Object.create(response) as ServerResponse;
  expect(sealOf(heir)).toBe(made);
  expect(statusAfter(heir)).toBe(401);
});
