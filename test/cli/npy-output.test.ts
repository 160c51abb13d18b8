import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { InferClient } from '../../src/lib/client/client.js';
import { useInfer } from '../support/cli.js';
import { doubler, type Graph, openRows, poison, stringEcho, writeModel } from '../support/onnx-builder.js';
import { useRedis } from '../support/redis.js';

/** `infer result --output x.npy`, and typed arrays in the library. */
const redis = useRedis();
const infer = useInfer(redis);

const two: Graph = {
  nodes: ['a', 'b'].map((name) => ({ op: 'Identity', inputs: ['x'], outputs: [name] })),
  inputs: [{ name: 'x', type: 'float32', dims: ['batch', 2] }],
  outputs: ['a', 'b'].map((name) => ({ name, type: 'float32' as const, dims: ['batch', 2] })),
};

beforeAll(async () => {
  const models = path.join(infer.dir, 'models');
  for (const [name, graph] of Object.entries({
    doubler: doubler(),
    two,
    open: openRows(),
    text: stringEcho(),
  }))
    writeModel(models, name, graph);
  writeModel(models, 'poison', poison());
  const names = ['doubler', 'two', 'open', 'text', 'poison'].flatMap((name) => ['--model', name]);
  await infer.worker(['--models', models, '-Q', 'realtime,batch', ...names]);
});

const submit = async (model: string, rows: string): Promise<string> => {
  const sent = await infer.run(['submit', '-', '--model', model, '--wait', '--json'], { stdin: rows });
  const { id, group } = sent.json<{ id: string; group?: string }>();
  return group ?? id;
};

const fetch = async (id: string, name = `${id}.npy`) => {
  const file = path.join(infer.dir, name);
  return { file, ...(await infer.run(['result', id, '--output', file])) };
};

const read = (file: string) => {
  const bytes = readFileSync(file);
  const start = 10 + bytes.readUInt16LE(8);
  const header = bytes.toString('latin1', 10, start);
  return { header, values: [...new Float32Array(Uint8Array.from(bytes.subarray(start)).buffer)] };
};

describe('a result as .npy', () => {
  it('has the rows first: of a job of one row, of several, and of a group in input order', async () => {
    const one = await fetch(await submit('doubler', '[0, 1, 2, 3]'));
    expect(one.exitCode).toBe(0);
    expect(read(one.file)).toMatchObject({ values: [1, 3, 5, 7] });
    expect(read(one.file).header).toContain("'descr': '<f4', 'fortran_order': False, 'shape': (1, 4)");
    const rows = Array.from({ length: 700 }, (_, i) => `[${i}, 0, 0, 0]\n`).join('');
    const many = await fetch(await submit('doubler', rows));
    const { header, values } = read(many.file);
    expect(header).toContain("'shape': (700, 4)");
    expect(values).toEqual(Array.from({ length: 700 }, (_, i) => [2 * i + 1, 1, 1, 1]).flat());
  });

  it.each<[string, string, string, string]>([
    ['several outputs', 'two', '[1, 2]', 'the result has 2 outputs (a, b)'],
    ['text', 'text', '["a"]', 'is text'],
    [
      'rows of other shapes',
      'open',
      '[1, 2]\n[1, 2]\n[1, 2, 3]\n',
      'row 3 of output y has shape [3], the first [2]',
    ],
  ])('is refused for %s, and leaves no file', async (_, model, rows, why) => {
    const { file, exitCode, stderr } = await fetch(await submit(model, rows));
    expect(stderr.replace(/\s+/g, ' ')).toContain(why);
    expect(stderr).toContain('results.ndjson');
    expect(exitCode).not.toBe(0);
    expect(existsSync(file)).toBe(false);
  });

  it('is refused as .npz, which would need all rows of each output together', async () => {
    const { file, stderr } = await fetch(await submit('doubler', '[0, 1, 2, 3]'), 'x.npz');
    expect(stderr).toContain('.npz files are not written');
    expect(existsSync(file)).toBe(false);
  });
});

it('a client that asks for typed values gets the arrays of the model', async () => {
  const client = await InferClient.connect({ redis: redis.url, values: 'typed' });
  try {
    const { result } = await client.run([0, 1, 2, 3], { model: 'doubler', timeoutMs: 30_000 });
    expect(result).toEqual({ y: { type: 'float32', shape: [4], data: Float32Array.of(1, 3, 5, 7) } });
    const group = await client.submitRows([[1, 2], [3]], { model: 'open' });
    const values: unknown[] = [];
    for await (const { value } of group.results({ timeoutMs: 30_000 })) values.push(value);
    expect(values).toEqual([
      { y: { type: 'float32', shape: [2], data: Float32Array.of(2, 4) } },
      { y: { type: 'float32', shape: [1], data: Float32Array.of(6) } },
    ]);
  } finally {
    await client.close();
  }
});
