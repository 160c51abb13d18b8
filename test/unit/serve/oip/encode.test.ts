import { describe, expect, it } from 'vitest';
import type { ModelSignature, TensorSignature } from '../../../../src/lib/model/signature.js';
import { encodeStrings, type Payload, type RowTensor } from '../../../../src/lib/model/tensor.js';
import { type AnswerTensor, encodeAnswer } from '../../../../src/lib/serve/oip/encode.js';
import { wireTensors } from '../../../../src/lib/serve/oip/output-tensors.js';

const bytesOf = (array: ArrayBufferView): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

const tensor = (
  name: string,
  type: AnswerTensor['type'],
  shape: number[],
  data: ArrayBufferView,
  binary = false,
): AnswerTensor => ({ name, type, shape, data: bytesOf(data), binary });

const textOf = async (...tensors: AnswerTensor[]): Promise<string> => {
  const { parts } = await encodeAnswer({ model_name: 'm' }, tensors);
  return Buffer.concat(parts).toString('utf8');
};

describe('encodeAnswer', () => {
  it('writes only JSON if no tensor is binary: flat, row major, in the order of the fields', async () => {
    const head = { model_name: 'm', model_version: '2', id: 'a"b', parameters: { rows: 2 } };
    const answer = await encodeAnswer(head, [
      tensor('y', 'float32', [2, 2], Float32Array.of(0.1, 2, -3, 1e10)),
    ]);
    expect(answer.contentType).toBe('application/json');
    expect(answer.headerLength).toBeUndefined();
    expect(answer.parts).toHaveLength(1);
    const text = Buffer.concat(answer.parts).toString('utf8');
    expect(text).toBe(
      '{"model_name":"m","model_version":"2","id":"a\\"b","parameters":{"rows":2},"outputs":[{"name":"y","datatype":"FP32","shape":[2,2],"data":[0.1,2,-3,10000000000]}]}',
    );
    expect(answer.length).toBe(Buffer.byteLength(text));
  });

  it('appends the bytes of binary tensors to the JSON, in their order, and shares their memory', async () => {
    const first = Int16Array.of(1, -2);
    const third = encodeStrings(['ab', 'é']);
    const answer = await encodeAnswer({ model_name: 'm' }, [
      tensor('a', 'int16', [2], first, true),
      tensor('b', 'bool', [2], Uint8Array.of(1, 0)),
      tensor('c', 'string', [2], third, true),
    ]);
    const body = Buffer.concat(answer.parts);
    expect(answer).toMatchObject({ contentType: 'application/octet-stream', length: body.length });
    const json = body.toString('utf8', 0, answer.headerLength);
    expect(JSON.parse(json)).toEqual({
      model_name: 'm',
      outputs: [
        { name: 'a', datatype: 'INT16', shape: [2], parameters: { binary_data_size: 4 } },
        { name: 'b', datatype: 'BOOL', shape: [2], data: [true, false] },
        { name: 'c', datatype: 'BYTES', shape: [2], parameters: { binary_data_size: 12 } },
      ],
    });
    expect([...body.subarray(answer.headerLength)]).toEqual([
      1, 0, 254, 255, 2, 0, 0, 0, 97, 98, 2, 0, 0, 0, 195, 169,
    ]);
    expect(answer.parts[1]?.buffer).toBe(first.buffer);
    expect(answer.headerLength).toBe(Buffer.byteLength(json));
  });

  it('counts the bytes of the JSON, not its characters', async () => {
    const answer = await encodeAnswer({ model_name: 'm', id: 'é€😀' }, [
      tensor('y', 'uint8', [1], Uint8Array.of(7), true),
    ]);
    const body = Buffer.concat(answer.parts);
    expect(JSON.parse(body.toString('utf8', 0, answer.headerLength)).id).toBe('é€😀');
    expect(body[answer.headerLength as number]).toBe(7);
  });

  it('writes 64-bit integers with all digits, as numbers', async () => {
    const wide = BigInt64Array.of(-(2n ** 63n), 9_007_199_254_740_993n);
    expect(await textOf(tensor('y', 'int64', [2], wide))).toContain(
      '"data":[-9223372036854775808,9007199254740993]',
    );
    expect(await textOf(tensor('y', 'uint64', [1], BigUint64Array.of(2n ** 64n - 1n)))).toContain(
      '"data":[18446744073709551615]',
    );
  });

  it('writes floats with as few digits as needed, and NaN and infinities as text', async () => {
    const floats = Float32Array.of(0.1, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0);
    expect(await textOf(tensor('y', 'float32', [5], floats))).toContain(
      '"data":[0.1,"NaN","Infinity","-Infinity",-0.0]',
    );
    expect(await textOf(tensor('y', 'float64', [2], Float64Array.of(0.1 + 0.2, 1e-300)))).toContain(
      '"data":[0.30000000000000004,1e-300]',
    );
  });

  it('refuses float16 as JSON, as the protocol does, and returns it as bytes', async () => {
    const halves = Uint16Array.of(0x3c00);
    await expect(
      encodeAnswer({ model_name: 'm' }, [tensor('y', 'float16', [1], halves)]),
    ).rejects.toMatchObject({
      code: 'OUTPUT_FORM',
      message: "sending FP16 data via JSON is not supported: output 'y' is FP16",
    });
    const { parts, headerLength } = await encodeAnswer({ model_name: 'm' }, [
      tensor('y', 'float16', [1], halves, true),
    ]);
    expect([...Buffer.concat(parts).subarray(headerLength)]).toEqual([0, 0x3c]);
  });

  it('reads elements from memory that is not aligned, and lets others run between many of them', async () => {
    const odd = Buffer.alloc(1 + 8 * 70_000);
    for (let i = 0; i < 70_000; i++) odd.writeDoubleLE(i / 2, 1 + 8 * i);
    const [before, answer] = await Promise.all([
      new Promise<string>((resolve) => setImmediate(() => resolve('turn'))),
      encodeAnswer({ model_name: 'm' }, [
        { name: 'y', type: 'float64', shape: [70_000], data: odd.subarray(1), binary: false },
      ]),
    ]);
    expect(before).toBe('turn');
    const { outputs } = JSON.parse(Buffer.concat(answer.parts).toString()) as {
      outputs: { data: number[] }[];
    };
    expect(outputs[0]?.data).toHaveLength(70_000);
    expect(outputs[0]?.data[69_999]).toBe(34_999.5);
  });

  it('writes a tensor of no elements', async () => {
    expect(await textOf(tensor('y', 'int64', [1, 0], new BigInt64Array(0)))).toContain(
      '"shape":[1,0],"data":[]',
    );
    expect(await textOf(tensor('y', 'string', [0], new Uint8Array(0)))).toContain('"data":[]');
  });
});

const output = (name: string, shape: (number | null)[], batchAxis: number | null): TensorSignature => ({
  name,
  type: 'float32',
  shape,
  shared: false,
  batchAxis,
  modelShape: [],
});

const signature = (batchable: boolean, ...outputs: TensorSignature[]): ModelSignature =>
  ({ name: 'm', version: 1, task: 'tensor', batchable, inputs: [], outputs }) as unknown as ModelSignature;

const rowTensor = (shape: number[], values: number[], more: Partial<RowTensor> = {}): RowTensor => ({
  name: 'y',
  type: 'float32',
  shape,
  data: bytesOf(Float32Array.from(values)),
  ...more,
});

const shapeOf = (payload: Payload, of?: ModelSignature) => wireTensors(payload, of)[0]?.shape;

describe('wireTensors', () => {
  it('includes the rows in the shape, and shares memory if they come first', () => {
    const payload = { rows: 2, tensors: [rowTensor([3], [1, 2, 3, 4, 5, 6])] };
    for (const known of [undefined, signature(true, output('y', [3], 0)), signature(true)]) {
      const [tensor] = wireTensors(payload, known);
      expect(tensor).toMatchObject({ name: 'y', shape: [2, 3] });
      expect(tensor?.data).toBe(payload.tensors[0]?.data);
    }
  });

  it("has rows along the model's own axis", () => {
    const payload = { rows: 2, tensors: [rowTensor([2, 1], [1, 2, 3, 4])] };
    const [moved] = wireTensors(payload, signature(true, output('y', [2, 1], 1)));
    expect(moved?.shape).toEqual([2, 2, 1]);
    expect(moved?.data).toEqual(bytesOf(Float32Array.of(1, 3, 2, 4)));
  });

  it('keeps the shape of one row if the model runs one at a time, and joins several rows', () => {
    const model = signature(false, output('y', [1, 2], null));
    expect(shapeOf({ rows: 1, tensors: [rowTensor([1, 2], [1, 2])] }, model)).toEqual([1, 2]);
    expect(shapeOf({ rows: 2, tensors: [rowTensor([1, 2], [1, 2, 3, 4])] }, model)).toEqual([2, 2]);
    const other = signature(false, output('y', [2], null));
    expect(shapeOf({ rows: 2, tensors: [rowTensor([2], [1, 2, 3, 4])] }, other)).toEqual([2, 2]);
  });

  it('leaves a shared tensor as it is, and a class in the place of its scores', () => {
    expect(shapeOf({ rows: 3, tensors: [rowTensor([2], [1, 2], { shared: true })] })).toEqual([2]);
    const classes = signature(true, output('y', [], 1));
    expect(shapeOf({ rows: 3, tensors: [rowTensor([], [1, 2, 3])] }, classes)).toEqual([3]);
  });

  it('refuses rows that differ in shape', () => {
    const ragged = { rows: 2, tensors: [rowTensor([], [1, 2, 3], { shapes: [[1], [2]] })] };
    expect(() => wireTensors(ragged)).toThrow("rows of output 'y' differ in shape");
  });
});
