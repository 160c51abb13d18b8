import { describe, expect, it } from 'vitest';
import { checkTriton } from '../../../src/lib/model/triton-check.js';
import { readTritonConfig } from '../../../src/lib/model/triton-config.js';
import { TritonFault } from '../../../src/lib/model/triton-fields.js';
import { thrown } from '../../support/thrown.js';

const X = 'input [ { name: "x" data_type: TYPE_FP32 dims: [ 4 ] } ]';
const Y = 'output [ { name: "y" data_type: TYPE_FP32 dims: [ 4 ] } ]';
const read = (text: string) => readTritonConfig(text, 'm', 'm/config.pbtxt');

function fault(text: string): TritonFault {
  try {
    read(text);
  } catch (error) {
    if (error instanceof TritonFault) return error;
    throw error;
  }
  throw new Error('it was accepted');
}

describe("Triton's configuration of a model", () => {
  it('becomes maxBatch, row shapes and sizes to warm up, each with its origin', () => {
    const { manifest, origins, notes } = read(`name: "m"
      platform: "onnxruntime_onnx"
      max_batch_size: 16
      ${X} ${Y}
      dynamic_batching { preferred_batch_size: [ 8, 16 ] }`);
    expect(manifest).toEqual({
      maxBatch: 16,
      warmup: { rows: [8, 16] },
      inputs: { x: { shape: [4] } },
      outputs: { y: { shape: [4] } },
    });
    expect(origins).toContainEqual({
      field: 'maxBatch',
      from: 'config.pbtxt max_batch_size',
      assumed: false,
    });
    expect(origins).toContainEqual({
      field: 'warmup.rows',
      from: 'config.pbtxt dynamic_batching.preferred_batch_size',
      assumed: true,
    });
    expect(notes).toEqual([]);
  });

  it('with max_batch_size 0 takes the whole tensor as one row, and one a run', () => {
    const { manifest } = read(`backend: "onnxruntime"
      max_batch_size: 0
      input { name: "x" data_type: TYPE_FP32 dims: -1 dims: 4 }`);
    expect(manifest).toEqual({
      batchable: false,
      inputs: { x: { shape: [null, 4], batchAxis: null } },
    });
  });

  it('without max_batch_size leaves shapes and batching to the trial', () => {
    expect(read(X).manifest).toEqual({});
  });

  it('has the shape of the model where it reshapes, and says so', () => {
    const { manifest, notes } = read(`max_batch_size: 4
      input [ { name: "x" data_type: TYPE_INT64 dims: [ 1 ]
        reshape { shape: [ ] } } ]
      dynamic_batching {}`);
    expect(manifest.inputs).toEqual({ x: { shape: [] } });
    expect(notes).toEqual([
      'config.pbtxt line 3: reshape of x is not applied: callers see the shape that the model has',
    ]);
  });

  it('lists what has no effect, with its line and what to use instead', () => {
    const { notes } = read(`max_batch_size: 8
      instance_group [ { count: 2 kind: KIND_GPU gpus: [ 0 ] } ]
      dynamic_batching { max_queue_delay_microseconds: 100
        priority_levels: 2 }
      model_warmup [ { name: "w" batch_size: 1 inputs { key: "x" value { dims: 4 zero_data: true } } } ]
      parameters { key: "intra_op_thread_count" value { string_value: "4" } }`);
    expect(notes.map((note) => note.replace(/:.*/, ''))).toEqual([
      'config.pbtxt line 2',
      'config.pbtxt line 5',
      'config.pbtxt line 6',
      'config.pbtxt line 3',
      'config.pbtxt line 4',
    ]);
    expect(notes.join('\n')).toContain(
      'max_queue_delay_microseconds is not used: infer worker --batch-window',
    );
  });

  it.each([
    ['ensemble_scheduling { step [ ] }', 1, /ensemble, and infer serves models one by one/],
    ['platform: "ensemble"', 1, /ensemble/],
    ['\nplatform: "tensorrt_plan"', 2, /field platform is "tensorrt_plan", and infer runs ONNX models only/],
    ['backend: "python"', 1, /field backend is "python"/],
    ['sequence_batching { }', 1, /no state between the requests/],
    ['batch_input [ { kind: BATCH_ELEMENT_COUNT } ]', 1, /field batch_input/],
    ['model_transaction_policy { decoupled: true }', 1, /exactly one result/],
    ['model_operations { op_library_filename: "/x.so" }', 1, /libraries of own operators/],
    [
      'input { name: "x" data_type: TYPE_FP32 dims: 4\n allow_ragged_batch: true }',
      2,
      /groups of equal shape/,
    ],
    ['input { name: "x" data_type: TYPE_BF16 dims: 4 }', 1, /TYPE_BF16, which infer cannot serve/],
    ['name: "other"', 1, /field name is "other", but the model is called m/],
    ['max_batch_size: -1', 1, /below 0/],
    [
      'max_batch_size: 4\ndynamic_batching { preferred_batch_size: 8 }',
      2,
      /preferred_batch_size is 8, and max_batch_size 4/,
    ],
    ['input { data_type: TYPE_FP32 dims: 1 }', 1, /an input has no name/],
    ['input { name: "x" dims: 1 }', 1, /input "x" has no data_type/],
    ['input { name: "x" data_type: TYPE_FP32 }', 1, /input "x" has no dims/],
    ['input { name: "x" data_type: TYPE_FP32 dims: 0 }', 1, /input "x" has the size 0/],
    [`${X}\n${X}`, 2, /input "x" appears twice/],
    ['default_model_filename: "../m.onnx"', 1, /without a directory/],
    ['max_batchsize: 8', 1, /unknown field max_batchsize/],
    ['max_batch_size: "8"', 1, /field max_batch_size must be a whole number/],
    ['max_batch_size: 1.5', 1, /must be a whole number/],
    ['name: m', 1, /field name must be a string in quotes/],
    ['input { name: "x" data_type: FP32 dims: 1 }', 1, /must be one of TYPE_INVALID, TYPE_BOOL/],
    ['input: 3', 1, /field input must be a message/],
    ['max_batch_size: 1\nmax_batch_size: 2', 2, /field max_batch_size appears twice/],
    ['input {\n names: "x" }', 2, /unknown field input.names/],
    ['name: "m', 1, /has no end/],
  ])('is refused with its line: %j', (text, line, message) => {
    const found = fault(text);
    expect(found.message).toMatch(message);
    expect(found.line).toBe(line);
  });

  it('suggests the nearest field and type', () => {
    expect(fault('max_batchsize: 8').fix).toBe("did you mean 'max_batch_size'?");
    expect(fault('input { name: "x" data_type: FP32 dims: 1 }').fix).toContain('did you mean TYPE_FP32?');
  });
});

describe('its comparison with the ONNX file', () => {
  const meta = (name: string, ...shape: (number | string)[]) => ({ name, type: 'float32' as const, shape });
  const model = {
    inputs: [meta('x', 'batch', 4)],
    outputs: [meta('y', 'batch', 4), meta('z', 'batch')],
    skipped: [],
  };
  const check = (text: string, own = model) => checkTriton(read(text).tensors, own, {});

  it('accepts the same names, types and shapes, and notes an output that it leaves out', () => {
    expect(check(`max_batch_size: 8 ${X} ${Y}`)).toEqual([
      'config.pbtxt does not list output z: it is served too',
    ]);
    expect(check('')).toEqual([]);
  });

  it.each([
    [
      `max_batch_size: 8\n${X.replace('"x"', '"X"')}`,
      "line 2: field input.name: the model has no input 'X'",
      /did you mean 'x'/,
    ],
    [
      `max_batch_size: 8\n${X.replace('FP32', 'FP16')}`,
      "line 2: field input.data_type of 'x' is TYPE_FP16, and the model has float32",
      /data_type: TYPE_FP32/,
    ],
    [
      `max_batch_size: 8\n${X.replace('[ 4 ]', '[ 5 ]')}`,
      "line 2: field input.dims of 'x' is [ 5 ] after the batch, and the model's shape is [batch,4]",
      /dims: \[ 4 \]/,
    ],
    [
      `max_batch_size: 8\n${X.replace('[ 4 ]', '[ -1 ]')}`,
      "line 2: field input.dims of 'x' is [ -1 ] after the batch",
      /dims: \[ 4 \]/,
    ],
    [
      `max_batch_size: 0\n${X}`,
      "line 2: field input.dims of 'x' is [ 4 ], and the model's shape is [batch,4]",
      /dims: \[ -1, 4 \]/,
    ],
    [
      `max_batch_size: 8\n${Y.replace('"y"', '"q"')}`,
      "line 2: field output.name: the model has no output 'q'",
      /its outputs are y, z/,
    ],
  ])('is an error with line, field and fix: %j', (text, message, fix) => {
    const found = thrown(() => check(text));
    expect(found.code).toBe('MODEL_MANIFEST');
    expect(found.message).toContain(`m/config.pbtxt: ${message}`);
    expect(found.hint).toMatch(fix);
  });

  it('refuses a batch that the model has not, and an input that is missing', () => {
    const fixed = { ...model, inputs: [meta('x', 1, 4)] };
    expect(thrown(() => check(`max_batch_size: 8 ${X}`, fixed)).message).toContain(
      "field max_batch_size is 8, but the first size of input 'x' is fixed in the model's shape [1,4]",
    );
    const two = { ...model, inputs: [...model.inputs, meta('w', 'batch', 2)] };
    expect(thrown(() => check(`max_batch_size: 8 ${X}`, two)).hint).toContain(
      '{ name: "w" data_type: TYPE_FP32 dims: [ 2 ] }',
    );
  });
});
