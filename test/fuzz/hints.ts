import fc from 'fast-check';
import { adder, doubler, type Graph, stringEcho, tokens, writeModel } from '../support/onnx-builder.js';
import { PAYLOAD_NUMBER, PAYLOAD_TEXT } from './canaries.js';
import type { Hints } from './schema-values.js';

/**
 * Facts that the document does not have: names that exist on the server, and rows that its models accept.
 * None of these models fails on any row, so no response may be a 500.
 */
const MODELS = ['doubler', 'adder', 'ids', 'echo', 'embed'] as const;
type Model = (typeof MODELS)[number];

/** Queues that a worker serves. */
export const SERVED = ['realtime', 'batch'] as const;
/** A queue that no worker serves: any order may change it. */
export const HELD = 'held';
/** Jobs that wait in `HELD`, to be read, and others to be cancelled, retried and deleted. */
export const WAITING_IDS = ['waiting-1', 'waiting-2', 'waiting-3'];
export const DONE_IDS = ['done-1', 'done-2', 'done-3'];
export const GROUP_ID = 'group-1';
export const VICTIM_IDS = Array.from({ length: 40 }, (_, i) => `victim-${i}`);

/** `y` is the mean of the ids of a row; any number is valid. */
function meanOfNumbers(): Graph {
  return {
    nodes: [
      { op: 'Cast', inputs: ['ids'], outputs: ['numbers'], attributes: { to: 1 } },
      { op: 'ReduceMean', inputs: ['numbers'], outputs: ['y'], attributes: { axes: [1], keepdims: 1 } },
    ],
    inputs: [{ name: 'ids', type: 'int64', dims: ['batch', 'length'] }],
    outputs: [{ name: 'y', type: 'float32', dims: ['batch', 1] }],
  };
}

export function writeModels(dir: string): void {
  writeModel(dir, 'doubler', doubler());
  writeModel(dir, 'adder', adder(2));
  writeModel(dir, 'ids', tokens(3));
  writeModel(dir, 'echo', stringEcho());
  writeModel(dir, 'embed', meanOfNumbers(), { task: 'embedding' });
}

const floats = (length: number) =>
  fc
    .array(fc.float({ noNaN: true, noDefaultInfinity: true, min: -1000, max: 1000 }), {
      minLength: length,
      maxLength: length,
    })
    .map(([, ...rest]) => [PAYLOAD_NUMBER, ...rest]);
const ints = (least: number, most: number) =>
  fc.array(fc.integer({ min: 0, max: 30_000 }), { minLength: least, maxLength: most });
const texts = fc
  .string({ maxLength: 20, unit: 'grapheme' })
  .map((text) => `${PAYLOAD_TEXT} ${text.replaceAll('\0', '')}`);

/** One row of each model, as `POST /v1/jobs` takes it. */
const ROWS: Readonly<Record<Model, fc.Arbitrary<unknown>>> = {
  doubler: floats(4),
  adder: fc.record({ a: floats(2), b: floats(2) }),
  ids: ints(3, 3),
  echo: texts,
  embed: ints(1, 8),
};

/** A model, and one or several valid rows. */
const JOBS = fc.oneof(
  ...MODELS.map((model) =>
    fc
      .oneof(ROWS[model], fc.array(ROWS[model], { minLength: 2, maxLength: 4 }))
      .map((input) => ({ model, input })),
  ),
);

const tensor =
  (name: string, datatype: string, width: number, element: fc.Arbitrary<unknown>) => (rows: number) =>
    fc
      .array(element, { minLength: rows * width, maxLength: rows * width })
      .map((data) => ({ name, datatype, shape: [rows, width], data }));
const real = fc.oneof(fc.constant(PAYLOAD_NUMBER), fc.float({ noNaN: true, noDefaultInfinity: true }));

/** Inputs of the Open Inference Protocol for a number of rows. */
const TENSORS: Readonly<Record<Model, (rows: number) => fc.Arbitrary<unknown[]>>> = {
  doubler: (rows) => fc.tuple(tensor('x', 'FP32', 4, real)(rows)),
  adder: (rows) => fc.tuple(tensor('a', 'FP32', 2, real)(rows), tensor('b', 'FP32', 2, real)(rows)),
  ids: (rows) => fc.tuple(tensor('ids', 'INT64', 3, fc.maxSafeInteger())(rows)),
  echo: (rows) => fc.tuple(tensor('text', 'BYTES', 1, texts)(rows)),
  embed: (rows) =>
    fc.integer({ min: 1, max: 5 }).chain((width) => fc.tuple(tensor('ids', 'INT64', width, fc.nat())(rows))),
};

/** A request to `POST /v2/models/{model}/infer`. @param model undefined for any, with its name */
export function inferRequests(
  model?: string,
): fc.Arbitrary<{ model: string; body: Record<string, unknown> }> {
  const known = MODELS.filter((one) => model === undefined || one === model);
  const models = known.length === 0 ? MODELS : known;
  const requests = models.map((one) =>
    fc.integer({ min: 1, max: 3 }).chain((rows) =>
      fc
        .record({
          inputs: TENSORS[one](rows),
          id: fc.option(fc.string({ maxLength: 10 }), { nil: undefined }),
          parameters: fc.option(
            fc.record({ priority: fc.integer({ min: 0, max: 9 }), binary_data_output: fc.boolean() }),
            { nil: undefined },
          ),
        })
        .map(({ inputs, ...rest }) => {
          const given = Object.entries(rest).filter(([, value]) => value !== undefined);
          return { model: one as string, body: { ...Object.fromEntries(given), inputs } };
        }),
    ),
  );
  return fc.oneof(...requests);
}

/** Bodies of POST /v1/jobs and PUT /v1/jobs/{id}, without options. */
export const jobBodies: fc.Arbitrary<Record<string, unknown>> = JOBS;

/** The model and input of `POST /v1/embeddings`: one list of tokens, or several. */
export const embeddings: fc.Arbitrary<Record<string, unknown>> = fc.record({
  model: fc.constant('embed' satisfies Model),
  input: fc.oneof(ints(1, 8), fc.array(ints(3, 3), { minLength: 1, maxLength: 4 })),
});

/** Rows for `POST /predict`, by model. */
export const predictions = JOBS;

/** A .npy file of float32, version 1. */
function npy(rows: readonly (readonly number[])[]): Buffer {
  const dict = `{'descr': '<f4', 'fortran_order': False, 'shape': (${rows.length}, 4), }`;
  const head = Buffer.from(`\x93NUMPY\x01\x00\x76\x00${dict.padEnd(117)}\n`, 'latin1');
  return Buffer.concat([head, Buffer.from(Float32Array.from(rows.flat()).buffer)]);
}

const ROW_LISTS = fc.array(floats(4), { minLength: 1, maxLength: 4 });

/** Rows of `doubler` in media types other than JSON. */
export const STREAMS: ReadonlyMap<string, fc.Arbitrary<Buffer>> = new Map([
  [
    'application/x-ndjson',
    ROW_LISTS.map((rows) => Buffer.from(rows.map((row) => `${JSON.stringify(row)}\n`).join(''))),
  ],
  ['application/x-npy', ROW_LISTS.map(npy)],
]);
export const STREAM_MODEL: Model = 'doubler';

const duration = fc.constantFrom('1s', '500ms', '2s', 1000, 0.5);
const longDuration = fc.constantFrom('1h', '30s', '10m', 60_000);

/** Values by name of fields, query parameters and headers. */
export const FIELD_HINTS: Hints = new Map<string, fc.Arbitrary<unknown>>([
  ['model', fc.constantFrom(...MODELS)],
  ['version', fc.constant('1')],
  ['queue', fc.constantFrom(...SERVED)],
  ['priority', fc.integer({ min: 0, max: 9 })],
  ['wait', duration.map(String)],
  ['delay', duration],
  ['at', fc.constantFrom('2026-01-01T00:00:00Z', '2026-06-01T12:00:00Z')],
  ['expires', longDuration],
  ['resultTtl', longDuration],
  ['retryDelay', duration],
  ['timeLimit', longDuration],
  ['softTimeLimit', longDuration],
  ['olderThan', duration.map(String)],
  ['state', fc.constantFrom('waiting', 'delayed')],
  ['cursor', fc.constant('none')],
  ['confirm', fc.constant(HELD)],
  ['input', fc.oneof(fc.string({ maxLength: 10 }), ints(1, 5))],
  ['id', fc.uuid().map((uuid) => `fuzz-${uuid}`)],
  ['Prefer', fc.constantFrom('wait=1', 'wait', 'respond-async', 'wait=0')],
  ['Idempotency-Key', fc.uuid()],
  ['X-Request-Id', fc.uuid()],
]);

/** Values of path parameters. */
export function pathHint(method: string, path: string, name: string): fc.Arbitrary<string> | undefined {
  switch (name) {
    case 'id':
      if (method === 'PUT' && path.endsWith('}')) return fc.uuid().map((uuid) => `fuzz-${uuid}`);
      if (method !== 'GET') return fc.constantFrom(...VICTIM_IDS);
      return fc.constantFrom(...WAITING_IDS, ...DONE_IDS, GROUP_ID);
    case 'model':
      // Orders name a model that no worker has, so that none is unloaded.
      return path.includes('/repository/') ? fc.constant('nothing') : fc.constantFrom(...MODELS);
    case 'version':
      return fc.constant('1');
    case 'queue':
      return method === 'GET' ? fc.constantFrom(...SERVED) : fc.constant(HELD);
    case 'worker':
      return fc.constant('no-such-worker');
    case 'code':
      return fc.constantFrom('QUEUE_FULL', 'INPUT_JSON');
    default:
      return undefined;
  }
}
