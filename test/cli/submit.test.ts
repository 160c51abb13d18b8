import { beforeAll, describe, expect, it } from 'vitest';
import { until, useInfer } from '../support/cli.js';
import {
  DIGIT_ROWS,
  DIGITS_FILE,
  type Digit,
  type DigitAnswer,
  npyFile,
  ONE_DIGIT,
} from '../support/digits.js';
import { useRedis } from '../support/redis.js';

const redis = useRedis({ port: true });
const infer = useInfer(redis);
const JOB_ID = /^j[0-9a-z]{25}$/;
const digit = (index: number): Digit => DIGIT_ROWS[index] as Digit;

beforeAll(async () => {
  await infer.worker(['--name', 'the-worker', '-Q', 'realtime,batch,left']);
});

describe('infer submit of one row', () => {
  it('prints the id on standard output, the next command on standard error', async () => {
    const submitted = await infer.run(['submit', ONE_DIGIT]);
    expect(submitted.exitCode).toBe(0);
    const id = submitted.stdout.trim();
    expect(id).toMatch(JOB_ID);
    expect(submitted.stdout).toBe(`${id}\n`);
    expect(submitted.stderr).toMatch(new RegExp(`^Next: \\S+ result ${id} --wait\n$`));

    const result = await infer.run(['result', id, '--wait']);
    expect(result.exitCode).toBe(0);
    expect(result.json<DigitAnswer>()).toMatchObject({ class: digit(0).label, device: 'cpu' });
  });

  it('prints the result with --wait', async () => {
    const run = await infer.run(['submit', '--priority', '9', '--wait', ONE_DIGIT]);
    expect(run.exitCode).toBe(0);
    const answer = run.json<DigitAnswer>();
    expect(Object.keys(answer)).toEqual(['class', 'confidence', 'label', 'device']);
    expect(answer).toMatchObject({ class: 2, label: '2', device: 'cpu' });
    expect(answer.confidence).toBeGreaterThan(0.5);
    expect(answer.confidence).toBeLessThanOrEqual(1);
  });

  it('prints {id, queue, priority, model, rows} with --json', async () => {
    const run = await infer.run(['submit', ONE_DIGIT, '--json', '-p', '4']);
    const submitted = run.json();
    expect(submitted).toEqual({
      id: expect.stringMatching(JOB_ID),
      queue: 'realtime',
      priority: 4,
      model: 'digits',
      rows: 1,
    });
    expect(run.stderr).toBe('');
  });

  it('prints {id, state, result, attempts, worker, device, timing} with --wait --json, as does result --json', async () => {
    const waited = (await infer.run(['submit', ONE_DIGIT, '--wait', '--json'])).json<{ id: string }>();
    const shape = {
      id: expect.stringMatching(JOB_ID),
      state: 'completed',
      result: { class: 2, confidence: expect.any(Number), label: '2', device: 'cpu' },
      attempts: 1,
      worker: 'the-worker',
      device: 'cpu',
      timing: { queueMs: expect.any(Number), runMs: expect.any(Number), totalMs: expect.any(Number) },
    };
    expect(waited).toMatchObject(shape);
    const { timing } = waited as unknown as { timing: Record<'queueMs' | 'runMs' | 'totalMs', number> };
    expect(timing.totalMs).toBeGreaterThanOrEqual(timing.runMs);
    expect((await infer.run(['result', waited.id, '--json'])).json()).toEqual(waited);
  });

  it('prints only the id with --quiet', async () => {
    const run = await infer.run(['submit', ONE_DIGIT, '--quiet']);
    expect([run.exitCode, run.stderr]).toEqual([0, '']);
    expect(run.stdout.trim()).toMatch(JOB_ID);
  });

  it('accepts the same --id twice as one job, and the second call says so', async () => {
    const twice = ['submit', ONE_DIGIT, '--id', 'order-1234', '--json'];
    const first = (await infer.run(twice)).json();
    expect(first).toMatchObject({ id: 'order-1234', rows: 1 });
    expect(first).not.toHaveProperty('duplicate');
    const before = (await infer.run(['result', 'order-1234', '--wait', '--json'])).json();
    const second = await infer.run(twice);
    expect([second.exitCode, second.json()]).toEqual([0, { ...first, duplicate: true }]);
    // Neither run again nor replaced.
    expect((await infer.run(['result', 'order-1234', '--json'])).json()).toEqual(before);
  });

  it('keeps a result for --result-ttl, after which its id is unknown (66)', async () => {
    const run = await infer.run(['submit', ONE_DIGIT, '--wait', '--result-ttl', '2s', '--json']);
    const { id } = run.json<{ id: string }>();
    const gone = await until(async () => {
      const now = await infer.run(['result', id]);
      return now.exitCode === 0 ? undefined : now;
    });
    expect(gone.exitCode).toBe(66);
    expect(gone.stderr).toContain(`no job or group ${id}: unknown, or its result has expired`);
    expect(gone.stdout).toBe('');
  });
});

describe('the queue of infer submit', () => {
  it('is realtime for one row, batch for many, and the one given by -Q', async () => {
    const [one, many, left] = await Promise.all([
      infer.run(['submit', ONE_DIGIT, '--json']),
      infer.run(['submit', DIGITS_FILE, '--json']),
      infer.run(['submit', ONE_DIGIT, '-Q', 'left', '--json']),
    ]);
    expect(one.json()).toMatchObject({ queue: 'realtime' });
    expect(many.json()).toEqual({
      group: expect.stringMatching(/^g[0-9a-z]{25}$/),
      queue: 'batch',
      priority: 0,
      model: 'digits',
      rows: 397,
      jobs: expect.any(Number),
    });
    expect(left.json()).toMatchObject({ queue: 'left' });
  });

  it('without a worker gives a warning with the command to start one; the job stays, exit 0', async () => {
    const run = await infer.run(['submit', ONE_DIGIT, '-Q', 'lonely', '--json']);
    expect(run.exitCode).toBe(0);
    expect(run.stderr).toMatch(/^Warning: no worker serves queue lonely.*infer worker -Q lonely\n$/);
    const { id } = run.json<{ id: string }>();
    const { queues } = (await infer.run(['inspect', '--json'])).json<{
      queues: { name: string; waiting: number }[];
    }>();
    expect(queues.find((queue) => queue.name === 'lonely')).toMatchObject({ waiting: 1 });
    const waiting = await infer.run(['result', id, '--json']);
    expect([waiting.exitCode, waiting.json()]).toMatchObject([75, { id, state: 'waiting' }]);
    const timedOut = await infer.run(['result', id, '--wait', '1s']);
    expect(timedOut.exitCode).toBe(75);
    expect(timedOut.stderr).toContain(`infer result ${id} --wait`);
  });
});

describe('infer submit accepts input', () => {
  const two = [digit(0).pixels, digit(1).pixels];
  const oip = {
    id: 'from-triton',
    inputs: [{ name: 'pixels', shape: [2, 64], datatype: 'FP32', data: two.flat() }],
  };
  it.each<[string, string | Uint8Array, number]>([
    ['a flat array', JSON.stringify(digit(0).pixels), 1],
    ['an array of one row', JSON.stringify([digit(0).pixels]), 1],
    ['an array of arrays', JSON.stringify(two), 2],
    ['an object of named inputs', JSON.stringify({ pixels: digit(0).pixels }), 1],
    ['named inputs of two rows', JSON.stringify({ pixels: two }), 2],
    [
      'an Open Inference Protocol request for one output',
      JSON.stringify({ ...oip, outputs: [{ name: 'class' }] }),
      2,
    ],
    ['an Open Inference Protocol request', JSON.stringify(oip), 2],
    [
      'NDJSON objects with a further field',
      two.map((pixels) => JSON.stringify({ pixels, n: 1 })).join('\n'),
      2,
    ],
    ['NDJSON arrays', `${two.map((pixels) => JSON.stringify(pixels)).join('\n')}\n`, 2],
    ['.npy', npyFile(two), 2],
  ])('as %s', async (_, stdin, rows) => {
    const run = await infer.run(['submit', '-', '--wait', '--json'], { stdin });
    expect(run.stderr).toBe('');
    expect(run.exitCode).toBe(0);
    const ended = run.json<{ id?: string; group?: string; state: string }>();
    expect(ended.state).toBe('completed');
    const id = (ended.group ?? ended.id) as string;
    const answers = (await infer.run(['result', id, '--output', '-'])).rows<DigitAnswer>();
    expect(answers.map((answer) => answer.class)).toEqual([digit(0).label, digit(1).label].slice(0, rows));
    const all = !String(stdin).includes('"outputs"');
    for (const answer of answers) expect(['confidence' in answer, 'label' in answer]).toEqual([all, all]);
  });
});
