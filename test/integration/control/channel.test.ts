import { afterEach, describe, expect, it } from 'vitest';
import { askWorkers, type ControlAnswer, ControlInbox } from '../../../src/lib/queue/broker/control.js';
import { controlKey } from '../../../src/lib/queue/keys.js';
import { type ConnectionEvent, closeClient, connect } from '../../../src/lib/redis/connect.js';
import { useRedis } from '../../support/redis.js';

const redis = useRedis();
const PREFIX = 'ctl';
const order = { verb: 'drain' } as const;
const request = { order, dryRun: false, who: 'ada' };
const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()));
});

async function inbox(id: string): Promise<ControlInbox> {
  const blocking = await redis.client('blocking');
  closers.push(() => closeClient(blocking));
  return new ControlInbox(await redis.client('worker'), blocking, PREFIX, id);
}

const ask = async (workers: string[], timeoutMs: number, onAnswer?: (answer: ControlAnswer) => void) =>
  askWorkers(await redis.client(), await redis.client('blocking'), PREFIX, workers, request, {
    timeoutMs,
    ...(onAnswer === undefined ? {} : { onAnswer }),
  });

/** Everything except replies to requests, which expire. */
const keys = async () => {
  const all = (await (await redis.client()).call('KEYS', '*')) as string[];
  return all.filter((key) => !key.includes(':req:'));
};

describe('control orders', () => {
  it('reach every addressed worker, whose replies come back by id; nothing remains in Redis', async () => {
    const serve = async (id: string) => {
      const box = await inbox(id);
      const heard = await box.next();
      expect(heard).toMatchObject(request);
      if (heard !== undefined) await box.answer(heard, { ok: id === 'w1', text: `from ${id}` });
    };
    const serving = Promise.all(['w1', 'w2'].map(serve));
    const answers = await ask(['w1', 'w2'], 5000);
    await serving;
    expect(Object.fromEntries(answers)).toEqual({
      w1: { worker: 'w1', ok: true, text: 'from w1' },
      w2: { worker: 'w2', ok: false, text: 'from w2' },
    });
    expect(await keys()).toEqual([]);
  });

  it('wait no longer than the timeout for a silent worker, which does not execute them later', async () => {
    const before = performance.now();
    expect(await ask(['gone'], 300)).toEqual(new Map());
    expect(performance.now() - before).toBeLessThan(15_000);
    expect(await keys()).toEqual([]);
    // Even a worker that already had the id finds the request withdrawn.
    await (await redis.client()).rpush(controlKey(PREFIX, 'late'), 'c-of-before');
    expect(await (await inbox('late')).next()).toBeUndefined();
  });

  it('wait for a busy worker as long as it reports progress', async () => {
    const box = await inbox('slow');
    const seen: ControlAnswer[] = [];
    const asked = ask(['slow'], 400, (answer) => {
      seen.push(answer);
    });
    const heard = await box.next();
    if (heard === undefined) throw new Error('nothing heard');
    for (let i = 0; i < 4; i++) {
      await new Promise((resolve) => setTimeout(resolve, 200));
      await box.answer(heard, { ok: true, working: true, text: 'loading' });
    }
    await box.answer(heard, { ok: true, text: 'done' });
    expect((await asked).get('slow')).toMatchObject({ text: 'done' });
    expect(seen.map(({ text }) => text)).toEqual(['loading', 'loading', 'loading', 'loading', 'done']);
  });

  it('are received again after Redis was restarted', async () => {
    let back: (() => void) | undefined;
    const isBack = new Promise<void>((resolve) => {
      back = resolve;
    });
    const onState = (event: ConnectionEvent) => event.state === 'back' && back?.();
    const blocking = await connect(redis.target, 'blocking', redis.settings(), { onState });
    closers.push(() => closeClient(blocking));
    const box = new ControlInbox(await redis.client('worker'), blocking, PREFIX, 'w9');
    const first = box.next().catch(() => undefined);
    await redis.restart();
    await isBack;
    const serving = (async () => {
      // The result of a read in progress when the connection broke does not matter.
      let heard = await first;
      while (heard === undefined) heard = await box.next();
      await box.answer(heard, { ok: true, text: 'here' });
    })();
    expect((await ask(['w9'], 8000)).get('w9')).toMatchObject({ text: 'here' });
    await serving;
  });
});
