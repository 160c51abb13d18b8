import { gunzipSync, inflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { ModelSignature } from '../../../../src/lib/model/signature.js';
import type { WorkerRecord } from '../../../../src/lib/queue/types.js';
import { WorkFigures } from '../../../../src/lib/queue/work-stats.js';
import { type KnownModel, modelsOf } from '../../../../src/lib/serve/gateway/known-models.js';
import { acceptedEncoding, compress } from '../../../../src/lib/serve/oip/compress.js';
import { configOf, metadataOf } from '../../../../src/lib/serve/oip/metadata.js';
import { statisticsOf } from '../../../../src/lib/serve/oip/statistics.js';
import { tensorSignature } from '../../../support/signatures.js';

const signature = (more: Partial<ModelSignature> = {}): ModelSignature =>
  ({
    name: 'm',
    version: 2,
    task: 'tensor',
    batchable: true,
    inputs: [tensorSignature('x', [null, 3])],
    outputs: [tensorSignature('y', [])],
    ...more,
  }) as unknown as ModelSignature;

const worker = (name: string, more: Partial<WorkerRecord> = {}): WorkerRecord =>
  ({
    id: name,
    name,
    state: 'ready',
    gpu: null,
    concurrency: 2,
    batchWindowMs: 1.5,
    models: [],
    ...more,
  }) as unknown as WorkerRecord;

const known = (more: Partial<KnownModel> = {}): KnownModel => ({
  name: 'm',
  signature: undefined,
  served: [],
  versions: [1, 2],
  loading: false,
  problem: undefined,
  ...more,
});

describe('metadata', () => {
  it('has -1 for rows and variable lengths, and no rows in a shared tensor', () => {
    const shared = tensorSignature('sr', [1], { type: 'int64', shared: true });
    const inner = tensorSignature('state', [2, 5], { batchAxis: 1 });
    expect(
      metadataOf(signature({ inputs: [tensorSignature('x', [null, 3]), shared, inner] }), [1, 2]),
    ).toMatchObject({
      versions: ['1', '2'],
      inputs: [
        { name: 'x', datatype: 'FP32', shape: [-1, -1, 3] },
        { name: 'sr', datatype: 'INT64', shape: [1] },
        { name: 'state', datatype: 'FP32', shape: [2, -1, 5] },
      ],
      outputs: [{ name: 'y', shape: [-1] }],
    });
  });
});

describe('a configuration', () => {
  const served = [
    { worker: worker('gpu', { gpu: 'GPU-1' }), model: { name: 'm', version: 2, batch: 8 } },
    { worker: worker('cpu'), model: { name: 'm', version: 2, batch: 8 } },
  ];

  it('leaves rows out of the shapes if all tensors have them first', () => {
    const config = configOf(signature({ maxBatch: 16 }), known({ served }));
    expect(config).toMatchObject({
      max_batch_size: 16,
      input: [{ name: 'x', data_type: 'TYPE_FP32', dims: [-1, 3], optional: false }],
      output: [{ dims: [] }],
      version_policy: { specific: { versions: [1, 2] } },
      instance_group: [
        { name: 'gpu', kind: 'KIND_GPU', count: 2 },
        { name: 'cpu', kind: 'KIND_CPU', count: 2 },
      ],
      dynamic_batching: { max_queue_delay_microseconds: 1500 },
    });
  });

  it('has GPUs by their numbers alone, as its readers want them', () => {
    const on = (gpu: string) =>
      configOf(
        signature({}),
        known({ served: [{ worker: worker('gpu', { gpu }), model: { name: 'm', version: 2, batch: 8 } }] }),
      ).instance_group;
    expect(on('1')).toMatchObject([{ kind: 'KIND_GPU', gpus: [1] }]);
    expect(on('GPU-1a2b3c4d')[0]).not.toHaveProperty('gpus');
  });

  it('has whole shapes and no batching where one has them elsewhere, or rows run alone', () => {
    const inner = signature({ inputs: [tensorSignature('x', [2], { batchAxis: 1 })] });
    for (const [model, dims] of [
      [inner, [2, -1]],
      [signature({ batchable: false, inputs: [tensorSignature('x', [1, 4], { batchAxis: null })] }), [1, 4]],
    ] as const) {
      const config = configOf(model, known());
      expect(config).toMatchObject({ max_batch_size: 0, input: [{ dims }] });
      expect(config).not.toHaveProperty('dynamic_batching');
    }
  });
});

describe('statistics', () => {
  it('count jobs, rows and micro-batches, with their times in nanoseconds', () => {
    const figures = new WorkFigures();
    figures.jobs.completed = 3;
    figures.jobs.failed = 1;
    figures.rows = 40;
    figures.addBatch(40, 'full');
    figures.wait.add(2, 4);
    figures.run.add(0.5, 4);
    figures.total.add(2.5, 4);
    expect(statisticsOf(known(), figures)).toMatchObject({
      name: 'm',
      version: '2',
      inference_count: 40,
      execution_count: 1,
      inference_stats: {
        success: { count: 3, ns: 10_000_000 },
        fail: { count: 1 },
        queue: { count: 4, ns: 8_000_000 },
        compute_infer: { count: 4, ns: 2_000_000 },
      },
    });
  });
});

describe('known models', () => {
  const none = { workers: [], starting: [], published: [], local: [] };
  it('are those of serving and starting workers, of the registry and of the models directory, by name', () => {
    const found = modelsOf({
      workers: [
        worker('a', { models: [{ name: 'served', version: 2, batch: 1 }] }),
        worker('b', { state: 'draining', models: [{ name: 'leaving', version: 1, batch: 1 }] }),
      ],
      starting: [{ id: 's', name: 's', queues: [], models: ['loading'], beatAt: 0 }],
      published: [signature({ name: 'served', version: 1 }), signature({ name: 'old', version: 4 })],
      local: [{ name: 'here', version: 3, versions: [1, 3] }],
    });
    expect(
      found.map(({ name, versions, loading, served }) => [name, versions, loading, served.length]),
    ).toEqual([
      ['here', [1, 3], false, 0],
      ['loading', [], true, 0],
      ['old', [4], false, 0],
      ['served', [2], false, 1],
    ]);
  });

  it('are not served by a worker that cannot run them, which says why', () => {
    const problem = {
      model: 'm',
      version: 1,
      code: 'MODEL_LOAD',
      message: 'it is broken',
      hint: null,
      served: false,
    };
    const broken = worker('a', { models: [{ name: 'm', version: 1, batch: 1 }], modelProblems: [problem] });
    expect(modelsOf({ ...none, workers: [broken], published: [signature()] })).toMatchObject([
      { name: 'm', served: [], problem: 'it is broken' },
    ]);
    const stale = { ...broken, modelProblems: [{ ...problem, served: true }] };
    expect(modelsOf({ ...none, workers: [stale] })).toMatchObject([{ served: [{}], problem: undefined }]);
  });
});

describe('compression', () => {
  it.each([
    [undefined, undefined],
    ['', undefined],
    ['br', undefined],
    ['gzip', 'gzip'],
    ['deflate, gzip', 'deflate'],
    ['GZIP;q=0.5', 'gzip'],
    ['gzip;q=0, deflate', 'deflate'],
    ['gzip; q=0', undefined],
    ['identity', undefined],
  ])('of %j is %j', (header, encoding) => {
    expect(acceptedEncoding(header)).toBe(encoding);
  });

  it('compresses all parts together, and leaves short bodies unchanged', async () => {
    const parts = [Buffer.alloc(800, 'a'), Buffer.alloc(800, 'b')];
    const gzip = (await compress(parts, 1600, 'gzip')) as Buffer;
    expect(gunzipSync(gzip)).toEqual(Buffer.concat(parts));
    const deflated = (await compress(parts, 1600, 'deflate')) as Buffer;
    expect(inflateSync(deflated)).toEqual(Buffer.concat(parts));
    expect(await compress([Buffer.from('a')], 1, 'gzip')).toBeUndefined();
    expect(await compress(parts, 1600, undefined)).toBeUndefined();
  });
});
