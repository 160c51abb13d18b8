import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, expect, it, vi } from 'vitest';
import type { ModelSignature } from '../../../../src/lib/model/signature.js';
import type { Gateway } from '../../../../src/lib/serve/gateway/gateway.js';
import { requireWorker } from '../../../../src/lib/serve/gateway/jobs/served.js';

const MODEL = { name: 'digits', version: 1 } as ModelSignature;

/** A gateway whose looks are answered one by one. */
function looking() {
  let now = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => now);
  const answers: ((served: boolean) => void)[] = [];
  const hasWorker = () =>
    new Promise<boolean>((resolve) => {
      answers.push(resolve);
    });
  const gateway = { client: { hasWorker, redis: { status: 'ready' } } } as unknown as Gateway;
  return {
    answers,
    pass: (ms: number) => {
      now += ms;
    },
    ask: () =>
      requireWorker(gateway, 'realtime', MODEL).then(
        () => 'served',
        ({ code }: { code: string }) => code,
      ),
  };
}

afterEach(() => vi.restoreAllMocks());

it('one look answers all who ask in half a second', async () => {
  const { answers, ask, pass } = looking();
  const both = Promise.all([ask(), ask()]);
  answers[0]?.(true);
  expect(await both).toEqual(['served', 'served']);
  pass(499);
  expect(await ask()).toBe('served');
  expect(answers).toHaveLength(1);
});

it('an older answer is renewed while it holds, and no one waits for that', async () => {
  const { answers, ask, pass } = looking();
  const first = ask();
  answers[0]?.(true);
  await first;
  pass(500);
  expect(await Promise.all([ask(), ask()])).toEqual(['served', 'served']);
  expect(answers).toHaveLength(2);
  answers[1]?.(false);
  await nextTurn();
  expect(await ask()).toBe('NO_WORKERS');
  expect(answers).toHaveLength(2);
});

it('an answer that has not been renewed for a second is waited for', async () => {
  const { answers, ask, pass } = looking();
  const first = ask();
  answers[0]?.(true);
  await first;
  pass(1000);
  const second = ask();
  expect(answers).toHaveLength(2);
  answers[1]?.(false);
  expect(await second).toBe('NO_WORKERS');
});
