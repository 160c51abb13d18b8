import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/lib/core/clock.js';
import { readAudit, writeAudit } from '../../../src/lib/queue/audit.js';
import { Arrivals } from '../../../src/lib/queue/broker/arrivals.js';
import { askWorkers, ControlInbox } from '../../../src/lib/queue/broker/control.js';
import { Mover } from '../../../src/lib/queue/broker/move.js';
import { Producer } from '../../../src/lib/queue/broker/producer.js';
import { purge } from '../../../src/lib/queue/broker/purge.js';
import { setPriority } from '../../../src/lib/queue/broker/set-priority.js';
import { bullBase, queueTag } from '../../../src/lib/queue/keys.js';
import { MOVE_IN, MOVE_OUT, MOVE_PARK } from '../../../src/lib/queue/lua/move.js';
import { CANCEL } from '../../../src/lib/queue/lua/steer.js';
import { runs } from '../../support/proxy.js';
import type { Request } from '../../support/requests.js';
import { failed, PREFIX, takeOne } from './queue-kit.js';
import { cutAndHold, useResend } from './resend-kit.js';

const at = useResend();

/** Requests that run any script with this argument. */
const told = (word: string) => (request: Request) =>
  (request[0] === 'eval' || request[0] === 'evalsha') && request.includes(word);
const producer = () => new Producer(at.cutOff, PREFIX, systemClock);

describe("an operator's request whose connection is cut before the answer:", () => {
  it('retry does not run a job a third time that failed again meanwhile', async () => {
    const { kit, network } = at;
    const consumer = await kit.consumer();
    const [id] = (await kit.submit({})) as [string];
    await consumer.settle([failed(await takeOne(consumer))]);
    const cut = cutAndHold(network, told(id));
    const retried = producer().retry(kit.queue, [id]);
    await cut;
    await consumer.settle([failed(await takeOne(consumer))]);
    network.pass();
    expect(await retried).toBe(1);
    expect(await kit.states([id])).toEqual(['failed']);
    const memos = await kit.client.keys(`${kit.tag}:req:*`);
    for (const memo of memos) expect(await kit.client.ttl(memo)).toBeGreaterThan(0);
  });

  it('cancel returns the same answer', async () => {
    const { kit, network } = at;
    const [id] = (await kit.submit({})) as [string];
    const cut = network.cutAfter(runs(CANCEL, id));
    expect(await producer().cancel(kit.queue, id)).toBe('cancelled');
    await cut;
    expect(await kit.client.zcard(`${kit.tag}:cancelled`)).toBe(1);
  });

  it('setting a priority reports the change', async () => {
    const { kit, network } = at;
    const [id] = (await kit.submit({})) as [string];
    const cut = network.cutAfter(told(id));
    expect(await setPriority(at.cutOff, PREFIX, kit.queue, [id], 7)).toEqual(['changed']);
    await cut;
  });

  it('purge counts every job', async () => {
    const { kit, network } = at;
    await kit.submit(...Array.from({ length: 150 }, () => ({})));
    const waiting = network.cutAfter(told('prioritized'));
    const options = { states: ['waiting', 'cancelled'] as const, now: Date.now() + 1000 };
    const ended = network.cutAfter(told('cancelled'));
    expect(await purge(at.cutOff, PREFIX, kit.queue, options)).toMatchObject({
      jobs: { waiting: 150, cancelled: 150 },
    });
    await Promise.all([waiting, ended]);
  });

  it.each([
    ['parked', MOVE_PARK],
    ['taken out', MOVE_OUT],
    ['brought in', MOVE_IN],
  ])('move leaves the job in exactly one place after it was %s', async (_, script) => {
    const { kit, network } = at;
    const input = Buffer.alloc(5000, 3);
    const [id] = (await kit.submit({ input })) as [string];
    const target = `${kit.queue}-to`;
    const cut = network.cutAfter(runs(script, id));
    expect(await new Mover(at.cutOff, PREFIX, target).move(id, kit.queue)).toBe('moved');
    await cut;
    const base = bullBase(PREFIX, target);
    expect(await kit.client.zrange(`${base}prioritized`, '0', '-1')).toEqual([id]);
    expect(await kit.client.strlen(`${queueTag(PREFIX, target)}:in:${id}`)).toBe(5000);
    expect(await kit.client.exists(kit.base + id)).toBe(0);
  });

  it('an audit entry is written once', async () => {
    const { kit, network } = at;
    const target = kit.queue;
    const cut = network.cutAfter(told(target));
    const from = { who: 'me', host: 'h', channel: 'cli' } as const;
    const outcome = { count: 1, outcome: 'ok', code: null, result: 'paused' } as const;
    const entry = { ...from, ...outcome, action: 'pause', target, detail: '' };
    await writeAudit(at.cutOff, PREFIX, entry);
    await cut;
    const entries = await readAudit(kit.client, PREFIX, 100);
    expect(entries.filter((one) => one.target === target)).toHaveLength(1);
  });
});

describe('a counter or an order whose connection is cut before the answer', () => {
  it('counts arrivals once, in a key that expires', async () => {
    const { kit, network } = at;
    const arrivals = new Arrivals(at.cutOff, PREFIX, systemClock);
    const cut = network.cutAfter(told('HINCRBY'));
    arrivals.add(kit.queue, 7);
    await cut;
    await arrivals.close();
    const keys = await kit.client.keys(`${kit.tag}:stats:*`);
    expect(keys).toHaveLength(1);
    expect(await kit.client.hget(keys[0] as string, 'a')).toBe('7');
    expect(await kit.client.ttl(keys[0] as string)).toBeGreaterThan(0);
  });

  it('delivers an order to its worker once, and so its reply', async () => {
    const { kit, network } = at;
    const [one, two] = [await at.redis.client('blocking'), await at.redis.client('blocking')];
    const inbox = new ControlInbox(at.cutOff, one, PREFIX, 'w1');
    const heard: string[] = [];
    const serve = async () => {
      const request = await inbox.next();
      if (request === undefined) return;
      heard.push(request.id);
      await inbox.answer(request, { ok: true, text: 'done' });
    };
    const answers: string[] = [];
    const cut = network.cutAfter(told('RPUSH'), 2);
    const serving = serve();
    const request = { order: { verb: 'drain' as const }, dryRun: false, who: 'me' };
    const options = { timeoutMs: 20_000, onAnswer: ({ text }: { text: string }) => void answers.push(text) };
    const got = await askWorkers(at.cutOff, two, PREFIX, ['w1'], request, options);
    await Promise.all([serving, cut]);
    expect(got.get('w1')).toMatchObject({ ok: true, text: 'done' });
    expect(heard).toHaveLength(1);
    expect(answers).toEqual(['done']);
    expect(await kit.client.llen(`{${PREFIX}}:ctl:w1`)).toBe(0);
  });
});
