import { packetSpace, tidySpace } from '@moat/netfilter';
import { afterEach, expect, test, vi } from 'vitest';
import { endProgress, progressText, showProgress } from './progress.ts';

const terminal = process.stderr.isTTY;

afterEach(() => {
  endProgress();
  vi.restoreAllMocks();
  process.stderr.isTTY = terminal;
});

test('says what is worked on, how much and for how long', () => {
  const progress = { family: 'ipv6', attempt: 1, attempts: 4, nodes: 340_000 } as const;
  expect(progressText(progress, 2100)).toBe('IPv6: 340,000 nodes of packet sets … 2.1 s');
  expect(progressText({ ...progress, attempt: 2 }, 9000)).toContain('(attempt 2 of 4) … 9.0 s');
});

test('after a second, on a terminal, and the line is gone before anything else is written', () => {
  process.stderr.isTTY = true;
  let clock = 5000;
  vi.spyOn(performance, 'now').mockImplementation(() => clock);
  const written: string[] = [];
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    written.push(String(text));
    return true;
  });
  const space = packetSpace({ family: 'ipv4' });
  showProgress({ json: false });
  tidySpace(space);
  expect(written).toEqual([]);
  clock += 1100;
  tidySpace(space);
  tidySpace(space);
  expect(written).toEqual([expect.stringContaining('IPv4: 16 nodes of packet sets … 1.1 s')]);
  endProgress();
  expect(written.at(-1)).toBe('\r\u001b[K');
  clock += 1000;
  tidySpace(space);
  expect(written).toHaveLength(2);
});
