import { expect, it } from 'vitest';
import { Turns } from '../../../src/lib/core/turns.js';

it('work queued in turns runs one at a time, in order', async () => {
  const turns = new Turns();
  const said: string[] = [];
  const piece = (name: string) => async () => {
    said.push(`${name} begins`);
    await new Promise(setImmediate);
    said.push(`${name} ends`);
    return name;
  };
  expect(await Promise.all([turns.take(piece('a')), turns.take(piece('b'))])).toEqual(['a', 'b']);
  expect(said).toEqual(['a begins', 'a ends', 'b begins', 'b ends']);
});

it('failed work rejects only for its own caller', async () => {
  const turns = new Turns();
  const failed = turns.take(() => Promise.reject(new Error('no')));
  const next = turns.take(() => 'done');
  await expect(failed).rejects.toThrow('no');
  expect(await next).toBe('done');
});

it('turns are free when nothing runs or waits', async () => {
  const turns = new Turns();
  expect(turns.isFree).toBe(true);
  const [first, second] = [
    turns.take(async () => undefined),
    turns.take(() => Promise.reject(new Error('no'))),
  ];
  expect(turns.isFree).toBe(false);
  await first;
  expect(turns.isFree).toBe(false);
  await second.catch(() => undefined);
  expect(turns.isFree).toBe(true);
});
