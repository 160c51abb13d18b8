import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { foreignData, MAGIC_BYTES } from '../../../src/lib/input/foreign.js';
import { readInput } from '../../../src/lib/input/read.js';
import { payloadFromValue } from '../../../src/lib/input/value.js';
import { concatRows } from '../../../src/lib/model/tensor.js';
import { failure, floats, input, jsonModel, model, npy, payloads, readAll, stream } from './signatures.js';

const pair = model(input('x', 'float32', [2]));
const refused = (bytes: string | Uint8Array, signature = pair) =>
  failure(async () => payloads(await readInput({ stdin: stream(bytes) }, signature)));

describe('foreign input', () => {
  it.each<[string, Uint8Array]>([
    ['a PNG image', Buffer.from('\x89PNG\r\n\x1a\n\0\0\0\rIHDR', 'latin1')],
    ['a JPEG image', Buffer.from('\xff\xd8\xff\xe0\0\x10JFIF\0\x01', 'latin1')],
    ['WAV audio', Buffer.from('RIFF\x24\x08\0\0WAVEfmt \x10\0', 'latin1')],
    ['a WebP image', Buffer.from('RIFF\x24\x08\0\0WEBPVP8 ', 'latin1')],
    ['an MP4 or HEIF file', Buffer.from('\0\0\0\x20ftypisom', 'latin1')],
    ['a zip or .npz archive', Buffer.from('PK\x03\x04\x14\0', 'latin1')],
    ['zstd data', Buffer.from('\x28\xb5\x2f\xfd\x04', 'latin1')],
    ['UTF-16 text', Buffer.from('\ufeff[1, 2]', 'utf16le')],
    ['an HDF5 file', Buffer.from('\x89HDF\r\n\x1a\n', 'latin1')],
    ['a Python pickle', Buffer.from('\x80\x04\x95\x10', 'latin1')],
    ['binary data', Buffer.from('abc\ndef\0\xff\xfe', 'latin1')],
  ])('is recognised as %s, with a fix', async (what, bytes) => {
    const error = await refused(bytes);
    expect([error.code, error.exitCode]).toEqual(['INPUT_FORMAT', 65]);
    expect(error.message).toContain(`standard input is ${what}`);
    expect(error.hint).not.toBe('');
    expect(error.hint).not.toContain('LATIN1');
  });

  it.each([
    '{"txt":"WAVE energy"}',
    '["aaaaaaWAVE"]',
    '{"t":"WEBP image"}',
    '["aftyp", "b"]',
    ' "aftypical"',
  ])('is not assumed for %s, which is JSON', (text) =>
    expect(foreignData('standard input', Buffer.from(text).subarray(0, MAGIC_BYTES))).toBeUndefined(),
  );

  it('is not assumed for gzip of what infer reads; packed twice, it is', async () => {
    const once = gzipSync('[[1, 2], [3, 4]]');
    expect(concatRows(await payloads(await readInput({ stdin: stream(once, 5) }, pair))).rows).toBe(2);
    expect((await refused(gzipSync(once))).message).toContain('standard input is gzip data');
    expect(await refused(once.subarray(0, once.length - 9))).toMatchObject({
      code: 'INPUT_GZIP',
      message: 'standard input is gzip data that ends too early',
    });
    expect(
      await refused(Buffer.concat([once.subarray(0, 12), Buffer.from('xxxxxxxxxxxxxxxxx')])),
    ).toMatchObject({
      code: 'INPUT_GZIP',
      message: 'standard input is gzip data that is damaged',
    });
    // A gateway, whose limits count the bytes of the body.
    const refusal = readInput({ stdin: stream(once) }, pair, { unpack: false });
    await expect(refusal).rejects.toMatchObject({ code: 'INPUT_FORMAT' });
    const parquet = readInput({ stdin: stream('PAR1 and more') }, pair, { unpack: false });
    await expect(parquet).rejects.toMatchObject({ code: 'INPUT_FORMAT' });
  });

  it('does not fill the memory when a little gzip data becomes an endless line', async () => {
    const bomb = gzipSync(Buffer.alloc(20 * 1024 * 1024, 0x31));
    expect(bomb.length).toBeLessThan(32 * 1024);
    for (const format of ['auto', 'ndjson', 'csv'] as const) {
      const reading = readInput({ stdin: stream(bomb), label: 'x.gz' }, pair, {
        format,
        maxBytes: 1024 * 1024,
      });
      await expect(reading).rejects.toMatchObject({ code: 'INPUT_TOO_LARGE', exitCode: 65 });
    }
  });

  it('is not assumed for malformed JSON, whose error names only existing flags', async () => {
    for (const text of ['[1, 2\n[3, 4]\n', '{"x": [1, 2],}\n', '[1,2] [3,4]', '{"x": 1, 2}\n{"x": 1, 2}\n']) {
      const error = await refused(text);
      expect([text, error.code]).toEqual([text, 'INPUT_JSON']);
      expect(error.hint).not.toContain('--format');
    }
    expect((await refused('not,an\\array', model(input('x', 'float32', [2])))).hint).not.toContain(
      '--format',
    );
  });
});

describe('a duplicate field', () => {
  it.each<[string, string, string]>([
    ['in a document', '{\n "x": [1, 2],\n "x": [3, 4]\n}', 'line 3, column 2'],
    ['in a row of a list', '[{"x": [1, 2]}, {"x": [1, 2], "x": [3, 4]}]', 'line 1, column 31'],
    ['in a line', '{"x": [1, 2]}\n{"x": [3, 4], "x": [5, 6]}\n', 'line 2, column 15'],
    ['written in another way', '{"x": [1, 2], "\\u0078": [3, 4]}', 'line 1, column 15'],
    ['of no input', '{"x": [1, 2], "a:b": "{", "a:b": 2}\n', 'line 1, column 27'],
    [
      'in an inference request',
      '{"inputs": [{"name": "x", "shape": [1, 2], "shape": [2, 1], "datatype": "FP32", "data": [1, 2]}]}',
      'line 1, column 44',
    ],
  ])('is rejected with its position: %s', async (_, text, place) => {
    const error = await refused(text);
    expect(error.code).toBe('INPUT_KEY');
    expect(error.message).toContain(`${place}: the field '`);
    expect(error.message).toContain('appears twice');
  });

  it('is rejected in a row of JSON for a handler too; equal names in two objects are fine', async () => {
    expect((await refused('{"a": {"b": 1, "b": 2}}', jsonModel)).code).toBe('INPUT_KEY');
    const fine = '{"a": {"b": "x: y"}, "b": [{"a": 1}, {"a": 2}], "c": "\\"a\\": {"}';
    expect((await readAll(`${fine}\n${fine}\n`, jsonModel)).rows).toBe(2);
  });
});

describe('byte order marks', () => {
  it('are removed in the middle of joined NDJSON', async () => {
    const part = '\ufeff{"x":[1,2]}\r\n{"x":[3,4]}\r\n';
    for (const cut of [1, 4, 65_536]) {
      expect(floats(await readAll(part + part, pair, {}, cut))).toEqual([1, 2, 3, 4, 1, 2, 3, 4]);
    }
    expect((await readAll(`"a"\n\ufeff"b"\n\ufeff\n`, jsonModel)).rows).toBe(2);
  });
});

describe('rows of a model exported with a fixed batch of 1', () => {
  const image = { ...model(input('x', 'float32', [1, 3, 2, 2], { batchAxis: null })), batchable: false };
  const open = { ...model(input('x', 'float32', [1, null, 2], { batchAxis: null })), batchable: false };
  const row = Float32Array.from({ length: 12 }, (_, at) => at);
  const many = Float32Array.from({ length: 72 }, (_, at) => at);
  const bytes = (array: Float32Array) => new Uint8Array(array.buffer);
  const list = (array: Float32Array, shape: number[]): unknown =>
    shape.length === 1
      ? [...array]
      : Array.from({ length: shape[0] as number }, (_, at) => {
          const size = array.length / (shape[0] as number);
          return list(array.subarray(at * size, (at + 1) * size), shape.slice(1));
        });

  it.each<[number[], number]>([
    [[3, 2, 2], 1],
    [[1, 3, 2, 2], 1],
    [[6, 3, 2, 2], 6],
    [[6, 1, 3, 2, 2], 6],
  ])('with shape %j count as %i', async (shape, rows) => {
    const data = rows === 1 ? row : many;
    const oip = { inputs: [{ name: 'x', shape, datatype: 'FP32', data: [...data] }] };
    for (const payload of [
      await readAll(npy('<f4', shape, bytes(data)), image),
      payloadFromValue(list(data, shape), image),
      payloadFromValue({ x: list(data, shape) }, image),
      payloadFromValue(oip, image),
    ]) {
      expect([payload.rows, payload.tensors[0]?.shape]).toEqual([rows, [1, 3, 2, 2]]);
      expect(floats(payload)).toEqual([...data]);
    }
  });

  it('may have an open dimension; what fits neither form is rejected', async () => {
    expect(payloadFromValue(list(row, [6, 2]), open)).toMatchObject({
      rows: 1,
      tensors: [{ shape: [1, 6, 2] }],
    });
    expect(payloadFromValue(list(row, [2, 3, 2]), open)).toMatchObject({
      rows: 2,
      tensors: [{ shape: [1, 3, 2] }],
    });
    for (const shape of [
      [4, 3],
      [2, 3, 2, 1],
      [3, 4],
      [12, 1],
    ]) {
      const oip = { inputs: [{ name: 'x', shape, datatype: 'FP32', data: [...row] }] };
      expect((await failure(() => payloadFromValue(oip, image))).code).toBe('INPUT_SHAPE');
    }
  });

  it('must be equally many in all inputs of a request', async () => {
    const two = {
      ...model(
        input('a', 'float32', [1, 2], { batchAxis: null }),
        input('b', 'float32', [3], { batchAxis: null }),
      ),
      batchable: false,
    };
    const entry = (name: string, shape: number[], data: number[]) => ({
      name,
      shape,
      datatype: 'FP32',
      data,
    });
    const request = (a: number[]) => ({
      inputs: [entry('a', [a.length / 2, 2], a), entry('b', [3], [1, 2, 3])],
    });
    expect(payloadFromValue(request([1, 2]), two).rows).toBe(1);
    expect((await failure(() => payloadFromValue(request([1, 2, 3, 4]), two))).code).toBe('INPUT_SHAPE');
  });
});

describe('a .npy file of many axes', () => {
  it.each([30, 64, 1000])('is rejected in one short line: %i', async (axes) => {
    const shape = Array.from({ length: axes }, () => 1);
    const error = await refused(npy('<f4', shape, new Uint8Array(4)));
    expect(error.exitCode).toBe(65);
    expect(`${error.message} ${error.hint}`.length).toBeLessThan(300);
  });
});
