import { readdirSync, readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { encodeBytes, type RowTensor } from '../../../src/lib/model/tensor.js';
import { PreparePool } from '../../../src/lib/prepare/prepare-pool.js';
import type { PreparePlan } from '../../../src/lib/task/prepare-plan.js';
import { samplePng } from '../../../src/lib/task/sample-image.js';

const PLAN: PreparePlan = {
  kind: 'image',
  from: 'image',
  input: 'pixels',
  type: 'float32',
  shape: [1, 2, 2],
  image: {
    resize: { height: 2, width: 2 },
    kernel: 'box',
    crop: { height: 2, width: 2 },
    rescale: 1,
    mean: [0],
    std: [1],
    colors: 'gray',
    layout: 'chw',
  },
};
const JOB = { over: false };

const level = (value: number) => samplePng(4, () => value / 256);
const images = (files: readonly Uint8Array[]): RowTensor => ({
  name: 'image',
  type: 'string',
  shape: [],
  role: 'image',
  data: encodeBytes(files),
});

let pool: PreparePool;
afterEach(() => pool.stop());

const open = (options: ConstructorParameters<typeof PreparePool>[1] = {}) => {
  pool = new PreparePool(() => 0, { processes: 2, ...options });
  return pool;
};
const prepare = (files: readonly Uint8Array[], job = JOB) =>
  pool.prepare(PLAN, images(files), files.length, job);

/** The level of each row: all of its pixels are equal. */
const levels = ({ data }: RowTensor) =>
  [...new Float32Array(Uint8Array.from(data).buffer)].filter((_, at) => at % 4 === 0);

/** Preparing processes that this one has started. */
function processes(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
        const [, parent] = /\) \S (\d+)/.exec(stat) ?? [];
        const ours = Number(parent) === process.pid;
        return ours && readFileSync(`/proc/${name}/cmdline`, 'utf8').includes('infer-prepare')
          ? [Number(name)]
          : [];
      } catch {
        return []; // it has ended
      }
    });
}

describe('preparing rows in processes', () => {
  it('gives every row in order, whichever process prepared it', async () => {
    open();
    const wanted = Array.from({ length: 23 }, (_, row) => row * 3);
    const { tensor, failed } = await prepare(wanted.map(level));
    expect(failed).toEqual([]);
    expect(tensor).toMatchObject({ name: 'pixels', type: 'float32', shape: [1, 2, 2] });
    expect(levels(tensor)).toEqual(wanted);
  });

  it('fails a bad row alone, with its place', async () => {
    open();
    const files = [9, 8, 7, 6, 5, 4].map(level);
    files[4] = Buffer.from('no image');
    const { tensor, failed } = await prepare(files);
    expect(failed).toMatchObject([{ row: 4, error: { code: 'INPUT_IMAGE' } }]);
    expect(levels(tensor)).toEqual([9, 8, 7, 6, 0, 4]);
  });

  it('prepares rows again when their process is killed, and replaces it', async () => {
    open({ processes: 1 });
    await prepare([level(1)]);
    const [pid] = processes();
    const busy = prepare([samplePng(2000, Math.random), level(2), level(3)]);
    process.kill(pid as number, 'SIGKILL');
    const { tensor, failed } = await busy;
    expect(failed).toEqual([]);
    expect(levels(tensor).slice(1)).toEqual([2, 3]);
    expect(processes()).not.toContain(pid);
  });

  it('fails a row that takes too long, and works on', async () => {
    open({ processes: 1, limitMs: 1 });
    const { failed } = await prepare([level(1)]);
    expect(failed).toMatchObject([
      { row: 0, error: { code: 'PREPARE_FAILED', message: 'it took more than 0.001 s to prepare' } },
    ]);
    const { failed: again } = await prepare([level(1), level(2)]);
    expect(again.map(({ row }) => row)).toEqual([0, 1]);
  });

  it('skips the rows of a job that has ended meanwhile', async () => {
    open({ processes: 1 });
    const job = { over: false };
    const first = prepare([level(1)]);
    const never = prepare([level(2)], job);
    job.over = true;
    await first;
    const { tensor } = await prepare([level(3)]);
    expect(levels(tensor)).toEqual([3]);
    expect(await Promise.race([never, Promise.resolve('not prepared')])).toBe('not prepared');
  });

  it('prepares the rows of the most urgent job first', async () => {
    const [first, last, middle] = [{ over: false }, { over: false }, { over: false }];
    const order = [first, middle, last];
    pool = new PreparePool((a, b) => order.indexOf(a) - order.indexOf(b), { processes: 1 });
    const done: number[] = [];
    const jobs = [first, last, middle].map((job) =>
      prepare([level(1)], job).then(() => done.push(order.indexOf(job))),
    );
    await Promise.all(jobs);
    expect(done).toEqual([0, 1, 2]);
  });

  it('leaves no process behind', async () => {
    open();
    await prepare(Array.from({ length: 12 }, () => level(5)));
    expect(processes().length).toBeGreaterThan(0);
    await pool.stop();
    expect(processes()).toEqual([]);
  });
});
