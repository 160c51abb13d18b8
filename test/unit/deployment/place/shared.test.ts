import { expect, it } from 'vitest';
import { Shared } from '../../../../src/lib/deployment/place/shared.js';

function counting(freshMs = 1000) {
  let at = 0;
  const reads: string[] = [];
  let fails = false;
  const shared = new Shared(
    freshMs,
    async (key) => {
      reads.push(key);
      if (fails) throw new Error('away');
      return `${key}${reads.length}`;
    },
    () => at,
  );
  return {
    shared,
    reads,
    pass: (ms: number) => {
      at += ms;
    },
    fail: (now: boolean) => {
      fails = now;
    },
  };
}

it('a thousand callers at once share one reading, those of the next second another', async () => {
  const { shared, reads, pass } = counting();
  const all = await Promise.all(Array.from({ length: 1000 }, () => shared.get('q')));
  expect(new Set(all)).toEqual(new Set(['q1']));
  pass(999);
  expect(await shared.get('q')).toBe('q1');
  pass(1);
  expect(await shared.get('q')).toBe('q2');
  expect(reads).toHaveLength(2);
});

it('each key has its own, and old ones are forgotten', async () => {
  const { shared, reads, pass } = counting();
  await Promise.all([shared.get('a'), shared.get('b')]);
  pass(1000);
  await shared.get('a');
  expect(reads).toEqual(['a', 'b', 'a']);
  expect((shared as unknown as { readings: Map<string, unknown> }).readings.size).toBe(1);
});

it('a reading that failed is told to those who wait for it, and not kept', async () => {
  const { shared, fail } = counting();
  fail(true);
  const both = await Promise.allSettled([shared.get('q'), shared.get('q')]);
  expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  fail(false);
  expect(await shared.get('q')).toBe('q2');
});
