import { expect, test } from 'vitest';
import { oneAtATime } from './one-at-a-time.ts';

test('never two at once; what is asked meanwhile makes one more run, and a failure is told', async () => {
  let running = 0;
  let runs = 0;
  const errors: string[] = [];
  const ask = oneAtATime(
    async () => {
      expect(++running).toBe(1);
      runs++;
      await new Promise((resolve) => setTimeout(resolve, 20));
      running--;
      if (runs === 2) throw new Error('second');
    },
    (error) => errors.push(error.message),
  );
  const first = ask.run();
  ask();
  ask();
  ask(5);
  await first;
  await new Promise((resolve) => setTimeout(resolve, 80));
  expect(runs).toBe(2);
  expect(errors).toEqual(['second']);
  ask(10_000);
  ask(5);
  await new Promise((resolve) => setTimeout(resolve, 60));
  expect(runs).toBe(3);
  ask(5);
  await ask.stop();
  await new Promise((resolve) => setTimeout(resolve, 40));
  expect(runs).toBe(3);
});
