import { expect, test } from 'vitest';
import { newContest } from './contest.ts';

test('five repairs in ten seconds are told each and made at once; more are told together, and wait a little', () => {
  const contest = newContest();
  for (let i = 0; i < 5; i++) {
    expect(contest.pause(i * 100)).toBe(0);
    contest.repaired(i * 100);
    expect(contest.told(i * 100)).toBe('each');
  }
  const pauses: number[] = [];
  for (let i = 5; i < 15; i++) {
    contest.repaired(i * 100);
    pauses.push(contest.pause(i * 100));
    expect(contest.told(i * 100)).toEqual(i === 5 ? { times: 6, seconds: 1 } : 'nothing');
  }
  expect(pauses[0]).toBe(100);
  expect(Math.max(...pauses)).toBe(400);
  contest.repaired(10_600);
  expect(contest.told(10_600)).toEqual({ times: 9, seconds: 10 });
  expect(contest.pause(30_000)).toBe(0);
  contest.repaired(30_000);
  expect(contest.told(30_000)).toBe('each');
});
