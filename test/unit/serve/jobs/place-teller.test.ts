import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { JobPlace } from '../../../../src/lib/deployment/place/job-place.js';
import { PlaceReadings, PlaceTeller } from '../../../../src/lib/serve/gateway/jobs/place-teller.js';

function telling() {
  const time = { now: 100_000 };
  const told: string[] = [];
  let answers: ((place: JobPlace | undefined) => void)[] = [];
  const listener = {
    destroyed: false,
    read: () =>
      new Promise<JobPlace | undefined>((resolve) => {
        answers.push(resolve);
      }),
    tell: ({ why }: JobPlace) => void told.push(why.text),
  };
  const teller = new PlaceTeller(listener, () => time.now);
  const answer = async (text?: string) => {
    const [first, ...others] = answers;
    answers = others;
    first?.(text === undefined ? undefined : ({ why: { text } } as JobPlace));
    await nextTurn();
  };
  return { time, told, teller, listener, answer, reads: () => answers.length };
}

it('a place is read when it changes, one reading at a time, and for the last change', async () => {
  const { teller, told, answer, reads } = telling();
  teller.see(5);
  teller.see(4);
  teller.see(3);
  expect(reads()).toBe(1);
  await answer('5 ahead');
  expect(reads()).toBe(1);
  await answer('3 ahead');
  expect([told, reads()]).toEqual([['5 ahead', '3 ahead'], 0]);
  teller.see(3);
  expect(reads()).toBe(0);
});

it('a place that does not change is told again after 15 seconds: its queue may be paused by now', async () => {
  const { teller, told, time, answer, reads } = telling();
  teller.see(3);
  await answer('3 ahead');
  time.now += 14_999;
  teller.see(3);
  expect(reads()).toBe(0);
  time.now += 1;
  teller.see(3);
  expect(reads()).toBe(1);
  await answer('the queue is paused');
  expect(told).toEqual(['3 ahead', 'the queue is paused']);
});

it('what cannot be told is left out, and nothing is read for a listener that has gone', async () => {
  const { teller, told, listener, answer, reads } = telling();
  teller.see(1);
  await answer();
  expect(told).toEqual([]);
  listener.destroyed = true;
  teller.see(0);
  expect(reads()).toBe(0);
});

it('all streams that saw a job at one position share a reading, and later ones read again', async () => {
  const read: string[] = [];
  let settle: (place: JobPlace | undefined) => void = () => undefined;
  const readings = new PlaceReadings((id) => {
    read.push(id);
    return new Promise((resolve) => {
      settle = resolve;
    });
  });
  const hundred = Array.from({ length: 100 }, () => readings.get('a', 5));
  expect(read).toEqual(['a']);
  const place = { why: { text: 'here' } } as JobPlace;
  settle(place);
  expect(await Promise.all(hundred)).toEqual(Array.from({ length: 100 }, () => place));
  await nextTurn();
  void readings.get('a', 5);
  void readings.get('a', 4);
  void readings.get('b', 4);
  expect(read).toEqual(['a', 'a', 'a', 'b']);
});
