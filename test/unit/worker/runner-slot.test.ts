import { describe, expect, it } from 'vitest';
import { InferError } from '../../../src/lib/core/errors.js';
import { WakeUp } from '../../../src/lib/core/wake-up.js';
import type { LoadedModel, Runner, RunnerExit } from '../../../src/lib/model/runner.js';
import { createLogger } from '../../../src/lib/telemetry/logger.js';
import { RunnerSlot } from '../../../src/lib/worker/runner-slot.js';

const KILLED: RunnerExit = { reason: 'killed by SIGKILL', signal: 'SIGKILL', code: null, expected: true };

/** Wakes when a run has started. */
const began = new WakeUp();

/** A runner whose runs last until it is killed. */
async function start(): Promise<Runner> {
  let exit: (how: RunnerExit) => void = () => undefined;
  const exited = new Promise<RunnerExit>((resolve) => {
    exit = resolve;
  });
  return {
    pid: 1,
    exited,
    load: () => Promise.reject(new Error('it has no models')),
    unload: async () => undefined,
    run: async () => {
      began.wake();
      await exited;
      throw new InferError('RUNNER_DIED', 'killed by SIGKILL');
    },
    memory: async () => 0,
    stop: async () => exit(KILLED),
    kill: async () => exit(KILLED),
  };
}

async function slotWithLog() {
  const lines: Record<string, unknown>[] = [];
  const stream = { write: (text: string) => void lines.push(JSON.parse(text)) };
  const log = createLogger({ level: 'info', stream, pretty: false });
  const options = { provider: 'cpu', requireGpu: false, threads: 1, modelsDir: '' } as const;
  const slot = new RunnerSlot(0, start, options, () => [], log);
  await slot.open();
  Object.assign(slot, { models: new Map([['m', {}]]) });
  return { slot, lines };
}

describe('a runner whose run failed', () => {
  /** A slot whose runners fail every run with `error`, and what happened to these runners. */
  async function failing(error: Error) {
    const killed: boolean[] = [];
    const options = { provider: 'cpu', requireGpu: false, threads: 1, modelsDir: '' } as const;
    const startFailing = async (): Promise<Runner> => {
      const index = killed.push(false) - 1;
      const runner = await start();
      return {
        ...runner,
        load: async () => ({ device: 'cuda:0' }) as LoadedModel,
        run: () => Promise.reject(error),
        kill: async () => {
          killed[index] = true;
          await runner.kill();
        },
      };
    };
    const wanted = () => [{ model: 'm', session: 'm' }];
    const slot = new RunnerSlot(0, startFailing, options, wanted, createLogger({ level: 'silent' }));
    await slot.open();
    return { slot, killed };
  }

  it.each([
    'CUDA failure 700: an illegal memory access was encountered',
    'CUBLAS_STATUS_ALLOC_FAILED, CUBLAS failure 3',
    'cuDNN failure 4: CUDNN_STATUS_INTERNAL_ERROR',
    'Failed to allocate memory: std::bad_alloc',
    'The device was lost',
    'WebGPU device lost',
    'CUDA out of memory',
  ])('with %j is replaced, since its device may be broken', async (message) => {
    const { slot, killed } = await failing(new InferError('RUN_FAILED', message));
    await expect(slot.run({ model: 'm', parts: [] })).rejects.toMatchObject({
      code: 'DEVICE_ERROR',
      message,
    });
    await slot.free();
    expect(killed).toEqual([true, false]);
    await slot.stop();
  });

  it.each([
    new InferError('RUN_FAILED', 'Non-zero status code: index 7 is out of bounds'),
    new InferError('RUN_FAILED', 'input cudaless has the wrong rank'),
    new InferError('HANDLER_FAILED', 'CUDA is a word of this handler'),
  ])('with $code, $message is kept', async (error) => {
    const { slot, killed } = await failing(error);
    await expect(slot.run({ model: 'm', parts: [] })).rejects.toBe(error);
    expect(slot.isFree).toBe(true);
    expect(killed).toEqual([false]);
    await slot.stop();
  });
});

it('a run ended for a cancelled job is logged as info, one past its limit as a warning', async () => {
  const { slot, lines } = await slotWithLog();
  const started = began.wait();
  const cancelled = slot.run({ model: 'm', parts: [] });
  const rejected = expect(cancelled).rejects.toMatchObject({ code: 'RUN_ABORTED' });
  await started;
  slot.abort();
  await rejected;
  await expect
    .poll(() => lines.map(({ level, code }) => [level, code]))
    .toEqual([
      ['info', 'RUN_ABORTED'],
      ['info', undefined],
    ]);
  expect(lines[0]?.msg).toContain('cancelled');
  Object.assign(slot, { models: new Map([['m', {}]]) });
  await expect(slot.run({ model: 'm', parts: [] }, 5)).rejects.toMatchObject({ code: 'TIME_LIMIT' });
  expect(slot.lastRunMs).toBeGreaterThan(0);
  await expect.poll(() => lines.map(({ level }) => level)).toEqual(['info', 'info', 'warn', 'info']);
  await slot.stop();
});

it('a job that did not run is not charged the time of the previous run', async () => {
  const { slot } = await slotWithLog();
  Object.assign(slot, { models: new Map([['m', {}]]) });
  await expect(slot.run({ model: 'm', parts: [] }, 20)).rejects.toMatchObject({ code: 'TIME_LIMIT' });
  expect(slot.lastRunMs).toBeGreaterThan(0);
  await expect(slot.run({ model: 'gone', parts: [] })).rejects.toMatchObject({ code: 'MODEL_REPLACED' });
  expect(slot.lastRunMs).toBe(0);
  await slot.stop();
});
