import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InferError } from '../../../../src/lib/core/errors.js';
import { decodeEnvelope, encodeEnvelope } from '../../../../src/lib/model/envelope.js';
import type { ModelSignature, TensorSignature } from '../../../../src/lib/model/signature.js';
import { encodeStrings, type Payload } from '../../../../src/lib/model/tensor.js';
import { readWishes } from '../../../../src/lib/serve/oip/outputs.js';
import { jsonLength, readInferRequest } from '../../../../src/lib/serve/oip/request.js';

const input = (
  name: string,
  type: TensorSignature['type'],
  shape: (number | null)[],
  more: Partial<TensorSignature> = {},
): TensorSignature => ({ name, type, shape, shared: false, batchAxis: 0, modelShape: [], ...more });

const model = (inputs: TensorSignature[], more: Partial<ModelSignature> = {}): ModelSignature =>
  ({
    name: 'm',
    version: 1,
    task: 'tensor',
    batchable: true,
    inputs,
    outputs: [input('y', 'float32', [2])],
    ...more,
  }) as unknown as ModelSignature;

const FLOATS = model([input('x', 'float32', [2])]);
const PAIR = model([input('a', 'int16', [2]), input('b', 'float32', [1])]);
const TEXT = model([input('t', 'string', [1])]);

/** A body of JSON and tensors, and the length of the JSON. */
const bodyOf = (json: unknown, ...tensors: Uint8Array[]): { body: Buffer; length: number } => {
  const head = Buffer.from(typeof json === 'string' ? json : JSON.stringify(json));
  return { body: Buffer.concat([head, ...tensors]), length: head.length };
};

const bytesOf = (array: ArrayBufferView): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

const read = (signature: ModelSignature, json: unknown, ...tensors: Uint8Array[]) => {
  const { body, length } = bodyOf(json, ...tensors);
  return readInferRequest(body, tensors.length === 0 ? undefined : length, signature);
};

/** The bytes of a tensor. */
const dataOf = ({ tensors }: Payload, at: number): number[] => [...(tensors[at]?.data ?? [])];

const refusal = (work: () => unknown): { code: string; message: string } => {
  try {
    work();
  } catch (error) {
    if (!(error instanceof InferError)) throw error;
    return { code: error.code, message: error.message };
  }
  throw new Error('it was taken');
};

const binary = (name: string, datatype: string, shape: number[], size: unknown) => ({
  name,
  datatype,
  shape,
  parameters: { binary_data_size: size },
});

describe('jsonLength', () => {
  it.each([
    [undefined, undefined],
    ['0', 0],
    ['10', 10],
  ])('reads %j as %j', (header, length) => {
    expect(jsonLength(header, 10)).toBe(length);
  });

  it.each([
    ['11', 'inference header size should be in range (0, 10), got: 11'],
    ['-1', 'inference header size should be in range (0, 10), got: something else'],
    ['1e1', 'inference header size should be in range (0, 10), got: something else'],
    ['5, 5', 'inference header size should be in range (0, 10), got: something else'],
    ['', 'inference header size should be in range (0, 10), got: something else'],
    ['999999999999999999999', 'inference header size should be in range (0, 10), got: something else'],
  ])('refuses %j', (header, message) => {
    expect(refusal(() => jsonLength(header, 10))).toEqual({ code: 'INPUT_OIP', message });
  });
});

describe('a request in JSON', () => {
  it('accepts flat or nested data, with an id and without parameters', () => {
    for (const data of [
      [1, 2, 3, 4],
      [
        [1, 2],
        [3, 4],
      ],
    ]) {
      const { id, payload, priority, expiresMs, queue, wishes } = read(FLOATS, {
        id: 'r-1',
        inputs: [{ name: 'x', datatype: 'FP32', shape: [2, 2], data }],
      });
      expect({ id, priority, expiresMs, queue }).toEqual({
        id: 'r-1',
        priority: undefined,
        expiresMs: undefined,
        queue: undefined,
      });
      expect(payload).toEqual({
        rows: 2,
        tensors: [{ name: 'x', type: 'float32', shape: [2], data: bytesOf(Float32Array.of(1, 2, 3, 4)) }],
      });
      expect(wishes).toEqual([{ name: 'y', binary: false, classes: undefined }]);
    }
  });

  it('keeps all digits of 64-bit integers, written as numbers or as text', () => {
    const wide = model([input('x', 'int64', [3]), input('f', 'float64', [1])]);
    const { payload } = read(
      wide,
      '{"inputs":[{"name":"x","datatype":"INT64","shape":[1,3],"data":[9007199254740993,-9223372036854775808,"9223372036854775807"]},{"name":"f","datatype":"FP64","shape":[1,1],"data":[12345678901234567]}]}',
    );
    expect(payload.tensors[0]?.data).toEqual(
      bytesOf(BigInt64Array.of(9_007_199_254_740_993n, -(2n ** 63n), 2n ** 63n - 1n)),
    );
    expect(payload.tensors[1]?.data).toEqual(bytesOf(Float64Array.of(Number('12345678901234567'))));
    const over =
      '{"inputs":[{"name":"x","datatype":"INT64","shape":[1,3],"data":[1,2,9223372036854775808]},{"name":"f","datatype":"FP64","shape":[1,1],"data":[1]}]}';
    expect(refusal(() => read(wide, over)).code).toBe('INPUT_VALUE');
  });

  it('takes no long number for text, and no long text for a number', () => {
    const both = model([input('x', 'int64', [1]), input('t', 'string', [1]), input('f', 'float32', [1])]);
    const one = (t: string, f: string, more = '') =>
      `{"inputs":[{"name":"x","datatype":"INT64","shape":[1,1],"data":[1]},{"name":"t","datatype":"BYTES","shape":[1,1],"data":[${t}]},{"name":"f","datatype":"FP32","shape":[1,1],"data":[${f}]}]${more}}`;
    expect(refusal(() => read(both, one('1234567890123456789', '1'))).code).toMatch(/^INPUT_/);
    expect(refusal(() => read(both, one('"a"', '"1234567890123456"'))).code).toMatch(/^INPUT_/);
    expect(refusal(() => read(both, one('"\\ud8001234567890123456"', '1'))).code).toMatch(/^INPUT_/);
    expect(refusal(() => read(both, one('"a"', '00001234567890123456'))).code).toBe('INPUT_JSON');
    expect(read(both, one('"1234567890123456789"', '1234567890123456789')).payload.rows).toBe(1);
    const timed = read(both, one('"a"', '1', ',"parameters":{"timeout":1000000000000000}'));
    expect(timed.expiresMs).toBe(1_000_000_000_000);
  });

  it('refuses float16 as JSON, and tensors in shared memory', () => {
    const half = model([input('h', 'float16', [1])]);
    const json = { inputs: [{ name: 'h', datatype: 'FP16', shape: [1, 1], data: [0.1] }] };
    expect(refusal(() => read(half, json))).toMatchObject({
      code: 'INPUT_OIP',
      message: expect.stringContaining(
        "receiving FP16 data via JSON is not supported. Please use the binary data format for input 'h'",
      ),
    });
    const parameters = { shared_memory_region: 'r', shared_memory_byte_size: 8 };
    const shared = { inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2], parameters }] };
    expect(refusal(() => read(FLOATS, shared))).toMatchObject({
      code: 'PARAMETER',
      message: expect.stringContaining('inputs[0].parameters.shared_memory_region'),
    });
    const x = { name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 2] };
    const output = { inputs: [x], outputs: [{ name: 'y', parameters }] };
    expect(refusal(() => read(FLOATS, output)).message).toContain('shared memory is not supported');
  });

  it('leaves long digits within text alone', () => {
    const both = model([input('t', 'string', [1]), input('x', 'uint64', [1])]);
    const { payload } = read(
      both,
      '{"inputs":[{"name":"t","datatype":"BYTES","shape":[1,1],"data":["a\\"1 12345678901234567890 ,"]},{"name":"x","datatype":"UINT64","shape":[1,1],"data":[18446744073709551615]}]}',
    );
    expect(Buffer.from(payload.tensors[0]?.data as Uint8Array).toString('utf8', 4)).toBe(
      'a"1 12345678901234567890 ,',
    );
    expect(payload.tensors[1]?.data).toEqual(bytesOf(BigUint64Array.of(2n ** 64n - 1n)));
  });

  it.each([
    ['', 'INPUT_OIP', 'no body'],
    ['{', 'INPUT_JSON', 'malformed JSON'],
    ['[]', 'INPUT_OIP', 'a request has the inputs'],
    ['{"inputs":{}}', 'INPUT_OIP', 'an object without a list of inputs'],
    ['{"inputs":[]}', 'INPUT_NAMES', "no 'x' found"],
    ['{"inputs":[null]}', 'INPUT_OIP', 'inputs[0]'],
    ['{"inputs":[],"inputs":[]}', 'INPUT_KEY', 'appears twice'],
    [{ id: 7, inputs: [] }, 'PARAMETER', 'id: one number found, not text'],
    [
      { inputs: [{ name: 'z', datatype: 'FP32', shape: [1, 2], data: [1, 2] }] },
      'INPUT_NAMES',
      "'z' is not an input",
    ],
    [{ inputs: [{ name: 'x', datatype: 'FP64', shape: [1, 2], data: [1, 2] }] }, 'INPUT_OIP', 'takes FP32'],
    [
      { inputs: [{ name: 'x', datatype: 'BF16', shape: [1, 2], data: [1, 2] }] },
      'INPUT_OIP',
      'datatype BF16 found',
    ],
    [
      { inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 3], data: [1, 2, 3] }] },
      'INPUT_SHAPE',
      'takes [rows, 2]',
    ],
    [
      { inputs: [{ name: 'x', datatype: 'FP32', shape: [0, 2], data: [] }] },
      'INPUT_EMPTY',
      'holds no elements',
    ],
    [{ inputs: [{ name: 'x', datatype: 'FP32', shape: [2 ** 40, 2], data: [1] }] }, 'INPUT_SHAPE', 'needs'],
    [{ inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 2], data: [1] }] }, 'INPUT_SHAPE', 'no shape'],
    [{ inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2] }] }, 'INPUT_OIP', 'no data'],
    [
      { inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 'a'] }] },
      'INPUT_TYPE',
      'element 2 is text',
    ],
  ])('refuses %j', (json, code, text) => {
    const found = refusal(() => read(FLOATS, json));
    expect(found.code).toBe(code);
    expect(found.message).toContain(text);
  });

  it('refuses a repeated input, and text that ONNX Runtime cannot represent', () => {
    const x = { name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 2] };
    expect(refusal(() => read(FLOATS, { inputs: [x, x] }))).toMatchObject({ code: 'INPUT_NAMES' });
    const text = (value: string) => ({
      inputs: [{ name: 't', datatype: 'BYTES', shape: [1, 1], data: [value] }],
    });
    expect(refusal(() => read(TEXT, text('a\0b'))).code).toBe('INPUT_VALUE');
    expect(
      refusal(() =>
        read(TEXT, '{"inputs":[{"name":"t","datatype":"BYTES","shape":[1,1],"data":["\\ud800"]}]}'),
      ).code,
    ).toBe('INPUT_VALUE');
  });
});

describe('parameters of a request', () => {
  const x = { name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 2] };
  const withParameters = (parameters: unknown) => () => read(FLOATS, { parameters, inputs: [x] });

  it.each([
    [0, undefined],
    [1, 9],
    [2, 8],
    [9, 1],
    [10, 0],
    [1000, 0],
  ])('reads the priority %i as %j of ours', (priority, ours) => {
    expect(withParameters({ priority })().priority).toBe(ours);
  });

  it.each([
    [0, undefined],
    [1, 1],
    [1500, 2],
    [2_000_000, 2000],
  ])('reads a timeout of %i µs as %j ms', (timeout, ms) => {
    expect(withParameters({ timeout })().expiresMs).toBe(ms);
  });

  it('ignores those of the caller', () => {
    expect(withParameters({ mine: 'x', sequence_id: 0 })()).toMatchObject({ priority: undefined });
  });

  it.each([
    [[], 'parameters: '],
    [{ priority: -1 }, 'parameters.priority: '],
    [{ priority: '1' }, 'parameters.priority: '],
    [{ timeout: 1.5 }, 'parameters.timeout: '],
    [{ queue: 1 }, 'parameters.queue: '],
    [{ binary_data_output: 1 }, 'parameters.binary_data_output: '],
    [{ triton_x: 1 }, 'start with triton_'],
    [{ sequence_id: 3 }, 'sequences'],
    [{ sequence_start: true }, 'sequences'],
  ])('refuses %j', (parameters, text) => {
    const found = refusal(withParameters(parameters));
    expect(found.code).toBe('PARAMETER');
    expect(found.message).toContain(text);
  });
});

describe('binary tensors', () => {
  it('are read in the order of the inputs, without a copy, also next to JSON inputs', () => {
    const { body, length } = bodyOf(
      { inputs: [binary('b', 'FP32', [1, 1], 4), binary('a', 'INT16', [1, 2], 4)] },
      bytesOf(Float32Array.of(0.5)),
      bytesOf(Int16Array.of(-1, 2)),
    );
    const { payload } = readInferRequest(body, length, PAIR);
    expect(payload.tensors.map(({ name, data }) => [name, [...data]])).toEqual([
      ['a', [255, 255, 2, 0]],
      ['b', [0, 0, 0, 63]],
    ]);
    expect(payload.tensors[0]?.data.buffer).toBe(body.buffer);
    const mixed = read(
      PAIR,
      {
        inputs: [
          { name: 'a', datatype: 'INT16', shape: [1, 2], data: [3, 4] },
          binary('b', 'FP32', [1, 1], 4),
        ],
      },
      bytesOf(Float32Array.of(Number.NaN)),
    );
    expect(dataOf(mixed.payload, 0)).toEqual([3, 0, 4, 0]);
    expect(Buffer.from(dataOf(mixed.payload, 1)).readFloatLE(0)).toBeNaN();
  });

  it('become the envelope of the job in the memory of the request', () => {
    const { body, length } = bodyOf(
      { inputs: [binary('x', 'FP32', [1, 2], 8)] },
      bytesOf(Float32Array.of(3, 4)),
    );
    const { payload } = readInferRequest(body, length, FLOATS);
    const envelope = encodeEnvelope(payload);
    expect(envelope.buffer).toBe(body.buffer);
    expect(decodeEnvelope(envelope).payload).toMatchObject({ rows: 1, tensors: [{ name: 'x', shape: [2] }] });
    expect(dataOf(decodeEnvelope(envelope).payload, 0)).toEqual([...bytesOf(Float32Array.of(3, 4))]);
  });

  it('have their rows moved to the front if the model has them on another axis', () => {
    const inner = model([input('x', 'int8', [2], { batchAxis: 1 })]);
    const { payload } = read(
      inner,
      { inputs: [binary('x', 'INT8', [2, 3], 6)] },
      Uint8Array.of(1, 2, 3, 4, 5, 6),
    );
    expect(payload).toMatchObject({ rows: 3 });
    expect(dataOf(payload, 0)).toEqual([1, 4, 2, 5, 3, 6]);
  });

  it('contain text with its lengths', () => {
    const texts = encodeStrings(['é', '']);
    const { payload } = read(TEXT, { inputs: [binary('t', 'BYTES', [2, 1], texts.length)] }, texts);
    expect(payload).toMatchObject({ rows: 2 });
    expect(Buffer.from(payload.tensors[0]?.data as Uint8Array)).toEqual(Buffer.from(texts));
  });

  it.each([
    [
      'too few bytes for the shape',
      [1, 2],
      4,
      4,
      "input byte size mismatch for input 'x' for model 'm'. Expected 8, got 4",
    ],
    ['a size beyond the body', [1, 2], 8, 4, 'but 4 are left behind the JSON'],
    [
      'bytes that belong to no input',
      [1, 2],
      8,
      9,
      "unexpected additional input data for model 'm': 1 bytes",
    ],
    ['a shape of more elements than there can be', [2 ** 52, 2], 8, 8, 'Expected 36028797018963970, got 8'],
    ['a negative size', [1, 2], -8, 8, 'no count of bytes'],
    ['a size of half a byte', [1, 2], 7.5, 8, 'no count of bytes'],
    ['a size as text', [1, 2], '8', 8, 'no count of bytes'],
    ['a size of all bytes there are', [1, 2], Number.MAX_SAFE_INTEGER, 8, 'but 8 are left'],
  ])('are refused with %s', (_, shape, size, sent, text) => {
    const found = refusal(() =>
      read(FLOATS, { inputs: [binary('x', 'FP32', shape, size)] }, new Uint8Array(sent)),
    );
    expect(found.code).toBe('INPUT_OIP');
    expect(found.message).toContain(text);
  });

  it('are refused without rows, with additional data, or if nothing follows the JSON', () => {
    expect(
      refusal(() => read(FLOATS, { inputs: [binary('x', 'FP32', [0, 2], 0)] }, new Uint8Array(1))).code,
    ).toBe('INPUT_EMPTY');
    const both = { ...binary('x', 'FP32', [1, 2], 8), data: [1, 2] };
    expect(refusal(() => read(FLOATS, { inputs: [both] }, new Uint8Array(8))).message).toContain(
      'both data and',
    );
    expect(refusal(() => read(FLOATS, { inputs: [binary('x', 'FP32', [1, 2], 8)] })).message).toContain(
      'but 0 are left',
    );
  });

  it.each([
    ['a length that lies', [255, 255, 255, 255, 97], 'it ends in element 1 of 1'],
    ['half a length', [1, 0], 'it ends in element 1 of 1'],
    ['bytes after the last', [1, 0, 0, 0, 97, 0], '1 bytes follow its 1 elements'],
    ['NUL', [1, 0, 0, 0, 0], 'NUL'],
    ['no UTF-8', [1, 0, 0, 0, 0xff], 'not valid UTF-8'],
    ['nothing at all', [], 'it ends in element 1 of 1'],
  ])('of text are refused with %s', (_, bytes, text) => {
    const { body, length } = bodyOf(
      { inputs: [binary('t', 'BYTES', [1, 1], bytes.length)] },
      Uint8Array.from(bytes),
    );
    expect(refusal(() => readInferRequest(body, length, TEXT)).message).toContain(text);
  });

  it('whose shape claims many texts are refused without reading all of them', () => {
    const found = refusal(() =>
      read(TEXT, { inputs: [binary('t', 'BYTES', [2 ** 50, 1], 5)] }, Uint8Array.of(1, 0, 0, 0, 97)),
    );
    expect(found.message).toContain('it ends in element 2 of');
  });

  it('of BOOL are 0 or 1', () => {
    const flags = model([input('x', 'bool', [2])]);
    expect(
      refusal(() => read(flags, { inputs: [binary('x', 'BOOL', [1, 2], 2)] }, Uint8Array.of(1, 2))),
    ).toMatchObject({
      code: 'INPUT_VALUE',
    });
  });

  it('are at most refused, whatever their bytes are', () => {
    const shape = fc.array(fc.oneof(fc.integer({ min: -1, max: 3 }), fc.maxSafeNat()), { maxLength: 3 });
    const entry = fc.record({
      name: fc.constantFrom('a', 'b', 'c'),
      datatype: fc.constantFrom('INT16', 'FP32', 'BYTES', 'NONE'),
      shape,
      parameters: fc.record({ binary_data_size: fc.oneof(fc.integer({ min: -1, max: 12 }), fc.double()) }),
    });
    fc.assert(
      fc.property(
        fc.array(entry, { maxLength: 3 }),
        fc.uint8Array({ maxLength: 16 }),
        fc.nat(),
        (inputs, tensors, cut) => {
          const { body, length } = bodyOf({ inputs }, tensors);
          try {
            readInferRequest(
              body,
              Math.min(cut % 4 === 0 ? cut % (body.length + 1) : length, body.length),
              PAIR,
            );
          } catch (error) {
            expect(error).toBeInstanceOf(InferError);
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('a raw binary request', () => {
  it('is one row of the only input, and the response is binary', () => {
    const { payload, wishes, id } = readInferRequest(Buffer.from(bytesOf(Float32Array.of(1, 2))), 0, FLOATS);
    expect(payload).toMatchObject({ rows: 1, tensors: [{ name: 'x', shape: [2] }] });
    expect(wishes).toEqual([{ name: 'y', binary: true, classes: undefined }]);
    expect(id).toBeUndefined();
  });

  it('determines the one variable dimension, and has text without its length', () => {
    const open = model([input('x', 'int16', [null, 2])]);
    expect(readInferRequest(Buffer.alloc(12), 0, open).payload.tensors[0]?.shape).toEqual([3, 2]);
    const { payload } = readInferRequest(Buffer.from('abc'), 0, TEXT);
    expect(dataOf(payload, 0)).toEqual([3, 0, 0, 0, 97, 98, 99]);
  });

  it.each([
    ['two inputs', PAIR, 8, 'it has 2 inputs'],
    ['two open dimensions', model([input('x', 'int8', [null, null])]), 4, '2 open dimensions'],
    ['several texts', model([input('t', 'string', [2])]), 4, 'several texts'],
    ['no multiple of a row', model([input('x', 'int16', [null, 2])]), 10, 'not a multiple of 4'],
    ['too few bytes', FLOATS, 7, 'Expected 8, got 7'],
    ['no bytes', FLOATS, 0, 'Expected 8, got 0'],
  ])('is refused with %s', (_, signature, bytes, text) => {
    expect(refusal(() => readInferRequest(Buffer.alloc(bytes), 0, signature)).message).toContain(text);
  });
});

describe('requested outputs', () => {
  const two = model([input('x', 'float32', [2])], {
    outputs: [input('y', 'float32', [2]), input('h', 'float16', [2]), input('s', 'string', [])],
  });
  const x = { name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 2] };
  const wishes = (outputs: unknown, parameters?: unknown) => read(two, { inputs: [x], outputs, parameters });

  it('of a request that is answered with a job may have any type, and are no classes', () => {
    const isAsync = true;
    expect(readWishes([{ name: 'h' }], false, two, isAsync)).toEqual([
      { name: 'h', binary: false, classes: undefined },
    ]);
    const classes = [{ name: 'y', parameters: { classification: 1 } }];
    expect(refusal(() => readWishes(classes, false, two, isAsync))).toMatchObject({
      code: 'PARAMETER',
      message: expect.stringContaining('respond-async'),
    });
  });

  it('come in their order, in the form that each or the request says, and they alone are stored', () => {
    const asked = wishes([{ name: 's' }, { name: 'y', parameters: { binary_data: false } }], {
      binary_data_output: true,
    });
    expect(asked.wishes).toEqual([
      { name: 's', binary: true, classes: undefined },
      { name: 'y', binary: false, classes: undefined },
    ]);
    expect(asked.payload.wanted).toEqual(['s', 'y']);
    expect(wishes(undefined, { binary_data_output: true }).payload.wanted).toBeUndefined();
  });

  it.each([
    [
      undefined,
      'OUTPUT_FORM',
      "sending FP16 data via JSON is not supported. Please use the binary data format for output 'h'",
    ],
    [[{ name: 'z' }], 'INPUT_NAMES', "'z' is not an output"],
    [[{ name: 'y' }, { name: 'y' }], 'INPUT_NAMES', "'y' appears twice"],
    ['y', 'INPUT_OIP', 'a list of outputs'],
    [[7], 'INPUT_OIP', 'outputs[0]'],
    [[{ name: 'y', parameters: { binary_data: 'yes' } }], 'PARAMETER', 'outputs[0].parameters.binary_data'],
    [[{ name: 'y', parameters: { classification: -1 } }], 'PARAMETER', 'classification'],
    [[{ name: 'y', parameters: { classification: '2' } }], 'PARAMETER', 'classification'],
    [[{ name: 's', parameters: { classification: 1 } }], 'PARAMETER', 'no scores'],
  ])('are refused as %j', (outputs, code, text) => {
    const found = refusal(() => wishes(outputs));
    expect(found.code).toBe(code);
    expect(found.message).toContain(text);
  });
});

describe('rows for a handler', () => {
  const json = model([input('json', 'string', [], { role: 'json' })]);
  it('are the JSON text of one row each', () => {
    const rows = (data: string[]) => ({
      inputs: [{ name: 'json', datatype: 'BYTES', shape: [data.length], data }],
    });
    expect(read(json, rows(['{"a":1}', '2'])).payload.rows).toBe(2);
    expect(refusal(() => read(json, rows(['1', '{']))).message).toContain('row 2: ');
  });
});
