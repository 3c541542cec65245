import { expect, test } from 'vitest';
import { formatDuration, formatMoment, parseDuration, parseMoment } from './time.ts';

test('lengths of time', () => {
  expect(['90s', '30m', '2h', '1d12h', '4w', '1h30m'].map(parseDuration)).toEqual([
    ...[90, 1800, 7200, 129_600, 2_419_200, 5400],
  ]);
  for (const text of ['', '2', 'h', '2 h', '-2h', '0s', '2y', '1.5h', '3651d', '2h!', '2H'])
    expect(parseDuration(text), text).toBeUndefined();
  expect([0, 59, 60, 3599, 7200, 90_061].map(formatDuration)).toEqual([
    '0s',
    '59s',
    '1m',
    '59m59s',
    '2h',
    '1d1h',
  ]);
});

test('moments: with a zone, without one, a date alone', () => {
  expect(parseMoment('2026-12-31T18:00Z')).toBe(Date.UTC(2026, 11, 31, 18) / 1000);
  expect(parseMoment('2026-12-31t18:00:30+02:00')).toBe(Date.UTC(2026, 11, 31, 16, 0, 30) / 1000);
  expect(parseMoment('2026-12-31T18:00')).toBe(new Date(2026, 11, 31, 18).getTime() / 1000);
  expect(parseMoment('2026-12-31')).toBe(new Date(2027, 0, 1).getTime() / 1000);
  for (const text of [
    '2026-02-30',
    '2026-13-01',
    '2026-12-31T25:00',
    '2026-12-31 18:00',
    '2026-1-1',
    '18:00',
    'x',
  ])
    expect(parseMoment(text), text).toBeUndefined();
});

test('a printed moment is the same one', () => {
  for (const seconds of [0, 1_767_225_600, 1_767_225_661])
    expect(parseMoment(formatMoment(seconds))).toBe(seconds);
  expect(formatMoment(Date.UTC(2026, 11, 31, 18) / 1000)).toBe('2026-12-31T18:00Z');
});
