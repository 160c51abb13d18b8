import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InferError } from '../../../src/lib/core/errors.js';
import { ExitCode } from '../../../src/lib/core/exit-codes.js';
import { decodeEnvelope, encodeEnvelope, envelopeParts } from '../../../src/lib/model/envelope.js';
import { bytesOf, payloads } from './payloads.js';

const PAYLOAD = {
  rows: 2,
  tensors: [
    { name: 'x', type: 'float32' as const, shape: [1], data: Uint8Array.of(0, 0, 128, 63, 0, 0, 0, 64) },
  ],
};

function withHeader(header: unknown, data = Buffer.alloc(8)): Buffer {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(json.length);
  return Buffer.concat([length, json, data]);
}

const ENTRY = { name: 'x', datatype: 'FP32', shape: [1], binary_data_size: 8 };

describe('envelope', () => {
  it('round-trips at any memory offset, without a copy', () => {
    fc.assert(
      fc.property(payloads(), fc.nat({ max: 7 }), (payload, offset) => {
        const bytes = encodeEnvelope(payload, { device: 'cpu' });
        const memory = new Uint8Array(bytes.length + offset + 3);
        memory.set(bytes, offset);
        const view = memory.subarray(offset, offset + bytes.length);
        const { payload: back, meta } = decodeEnvelope(view);
        expect(back.rows).toBe(payload.rows);
        expect(bytesOf(back)).toEqual(bytesOf(payload));
        expect(meta).toEqual({ device: 'cpu' });
        for (const tensor of back.tensors) {
          if (tensor.data.byteLength > 0) expect(tensor.data.buffer).toBe(memory.buffer);
        }
      }),
    );
  });

  it('has one shape for all rows, or one per row, which older readers refuse', () => {
    const old = withHeader({ rows: 2, tensors: [{ ...ENTRY, shape: [] }] });
    expect(decodeEnvelope(old).payload.tensors[0]).toMatchObject({ shape: [], data: Buffer.alloc(8) });
    expect(decodeEnvelope(old).payload.tensors[0]).not.toHaveProperty('shapes');
    const ragged = {
      rows: 3,
      tensors: [
        {
          name: 'x',
          type: 'uint8' as const,
          shape: [],
          shapes: [[2, 1], [0], []],
          data: Uint8Array.of(1, 2, 3),
        },
      ],
    };
    const bytes = encodeEnvelope(ragged);
    expect(decodeEnvelope(bytes).payload).toMatchObject({
      rows: 3,
      tensors: [{ ...ragged.tensors[0], data: Buffer.of(1, 2, 3) }],
    });
    expect(bytes.toString('latin1')).not.toContain('"shape":');
  });

  it('is the concatenation of its parts', () => {
    expect(Buffer.concat(envelopeParts(PAYLOAD))).toEqual(encodeEnvelope(PAYLOAD));
    expect(decodeEnvelope(encodeEnvelope(PAYLOAD)).meta).toEqual({});
  });

  it('is written in front of tensors that follow one another, where there is memory to spare', () => {
    fc.assert(
      fc.property(payloads(), fc.nat({ max: 2000 }), fc.boolean(), (payload, room, apart) => {
        const wanted = encodeEnvelope(payload);
        const gap = apart && payload.tensors.length > 1 ? 1 : 0;
        const bytes = payload.tensors.reduce((sum, { data }) => sum + data.byteLength + gap, 0);
        const memory = new Uint8Array(7 + room + bytes + 7).fill(0xee);
        let at = 7 + room;
        const tensors = payload.tensors.map((tensor) => {
          const data = memory.subarray(at, at + tensor.data.byteLength);
          data.set(tensor.data);
          at += data.byteLength + gap;
          return { ...tensor, data };
        });
        const spare = memory.subarray(7, 7 + room);
        const written = encodeEnvelope({ ...payload, tensors, spare });
        expect(written.equals(wanted)).toBe(true);
        const header = wanted.length - tensors.reduce((sum, { data }) => sum + data.byteLength, 0);
        const fits = tensors.length > 0 && header <= room && gap === 0;
        expect(written.buffer === memory.buffer).toBe(fits);
        // Nothing else is touched.
        expect([...memory.subarray(0, 7)].every((byte) => byte === 0xee)).toBe(true);
        expect([...memory.subarray(memory.length - 7)].every((byte) => byte === 0xee)).toBe(true);
      }),
    );
  });

  it('truncated at any byte, or extended, is rejected as damaged', () => {
    const bytes = encodeEnvelope(PAYLOAD);
    const damaged = expect.objectContaining({ code: 'JOB_DAMAGED', exitCode: ExitCode.Negative });
    for (let end = 0; end < bytes.length; end++) {
      expect(() => decodeEnvelope(bytes.subarray(0, end))).toThrow(damaged);
    }
    expect(() => decodeEnvelope(Buffer.concat([bytes, Buffer.alloc(1)]))).toThrow(damaged);
  });

  it.each<[string, Buffer]>([
    ['a header that is no JSON', withHeader('{"rows":')],
    ['a header that is null', withHeader(null)],
    ['a header that is a number', withHeader(7)],
    ['no tensors', withHeader({ rows: 1 })],
    ['tensors that are no list', withHeader({ rows: 1, tensors: 3 })],
    ['a tensor that is null', withHeader({ rows: 1, tensors: [null] })],
    ['an unknown type', withHeader({ rows: 1, tensors: [{ ...ENTRY, datatype: 'FP8' }] })],
    ['a negative size', withHeader({ rows: 1, tensors: [{ ...ENTRY, binary_data_size: -8 }, ENTRY, ENTRY] })],
    ['a size that is no number', withHeader({ rows: 1, tensors: [{ ...ENTRY, binary_data_size: '8' }] })],
    ['no shape', withHeader({ rows: 1, tensors: [{ ...ENTRY, shape: undefined }] })],
    ['a shape of text', withHeader({ rows: 1, tensors: [{ ...ENTRY, shape: ['2'] }] })],
    ['shapes of other rows', withHeader({ rows: 2, tensors: [{ ...ENTRY, shapes: [[1]] }] })],
    ['shapes that are none', withHeader({ rows: 1, tensors: [{ ...ENTRY, shapes: [2] }] })],
    [
      'shapes of a shared tensor',
      withHeader({ rows: 1, tensors: [{ ...ENTRY, shapes: [[2]], shared: true }] }),
    ],
    ['rows that are no number', withHeader({ rows: 'two', tensors: [ENTRY] })],
    ['negative rows', withHeader({ rows: -1, tensors: [ENTRY] })],
    ['a name that is not text', withHeader({ rows: 1, tensors: [{ ...ENTRY, name: 5 }] })],
  ])('with %s is rejected as damaged', (_, bytes) => {
    expect(() => decodeEnvelope(bytes)).toThrow(expect.objectContaining({ code: 'JOB_DAMAGED' }));
  });

  it('with any byte altered is decoded or rejected, and never fails otherwise', () => {
    const bytes = encodeEnvelope(PAYLOAD);
    fc.assert(
      fc.property(fc.nat({ max: bytes.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const altered = Buffer.from(bytes);
        altered[at] = (altered[at] as number) ^ flip;
        try {
          expect(Number.isInteger(decodeEnvelope(altered).payload.rows)).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(InferError);
          expect(error).toMatchObject({ code: 'JOB_DAMAGED' });
        }
      }),
      { numRuns: 500 },
    );
  });
});
