import { expect, it } from 'vitest';
import { OpenWaits } from '../../../src/lib/serve/gateway/open-waits.js';

const anyone = { name: undefined, limits: undefined };
const web = { name: 'web', limits: { open: 2 } };

it('a token may have 2,000 open waits, or as many as its own limit', () => {
  const waits = new OpenWaits(10_000);
  for (let i = 0; i < 2000; i++) waits.take({ name: 'batch', limits: { rate: 5 } });
  expect(() => waits.take({ name: 'batch', limits: { rate: 5 } })).toThrow(
    'token batch may have 2000 event streams and waits open',
  );
  waits.take(web);
  waits.take(web);
  expect(() => waits.take(web)).toThrow(expect.objectContaining({ code: 'OPEN_LIMIT' }));
  expect(waits.size).toBe(2002);
});

it('callers without a token have only the limit of the gateway', () => {
  const waits = new OpenWaits(3000);
  for (let i = 0; i < 3000; i++) waits.take(anyone);
  const full = expect.objectContaining({ code: 'SERVER_FULL', headers: { 'retry-after': '5' } });
  expect(() => waits.take(anyone)).toThrow(full);
  expect(() => waits.take(web)).toThrow(full);
});

it('a wait ends once, even if ended repeatedly, and also if the work fails', async () => {
  const waits = new OpenWaits(2);
  const giveBack = waits.take(anyone);
  waits.take(anyone);
  giveBack();
  giveBack();
  expect(waits.size).toBe(1);
  const caller = { ...web, allows: () => true };
  await expect(waits.during(caller, () => Promise.reject(new Error('failed')))).rejects.toThrow('failed');
  await expect(waits.during(caller, async () => waits.size)).resolves.toBe(2);
  expect(waits.size).toBe(1);
});
