import fc from 'fast-check';
import {
  type DataType,
  ELEMENT_BYTES,
  elementCount,
  encodeStrings,
  type Payload,
  type RowTensor,
} from '../../../src/lib/model/tensor.js';

const TYPES = Object.keys(ELEMENT_BYTES) as DataType[];

const tensor = (name: string, rows: number): fc.Arbitrary<RowTensor> =>
  fc
    .record({
      type: fc.constantFrom(...TYPES),
      shape: fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 3 }),
      shapes: fc.array(fc.array(fc.nat(2), { maxLength: 2 }), { minLength: rows, maxLength: rows }),
      kind: fc.constantFrom('alike', 'shared', 'ragged'),
    })
    .chain(({ type, shape, shapes, kind }) => {
      const shared = kind === 'shared';
      const ragged = kind === 'ragged' && new Set(shapes.map(String)).size > 1;
      const each = ragged ? shapes : new Array<number[]>(shared ? 1 : rows).fill(shape);
      const count = each.reduce((sum, one) => sum + elementCount(one), 0);
      const form = {
        shape: ragged ? [] : shape,
        ...(ragged ? { shapes } : {}),
        ...(shared ? { shared } : {}),
      };
      const bytes = count * ELEMENT_BYTES[type];
      const data: fc.Arbitrary<Uint8Array> =
        type === 'string'
          ? fc.array(fc.string(), { minLength: count, maxLength: count }).map(encodeStrings)
          : fc.uint8Array({ minLength: bytes, maxLength: bytes });
      return data.map((content) => ({ name, type, ...form, data: content }));
    });

/** Payloads of 1..6 rows and one to three tensors of any type, some of them shared, some with another shape for each row. */
export function payloads(): fc.Arbitrary<Payload> {
  return fc
    .record({ rows: fc.integer({ min: 1, max: 6 }), count: fc.integer({ min: 1, max: 3 }) })
    .chain(({ rows, count }) =>
      fc
        .tuple(...Array.from({ length: count }, (_, i) => tensor(`t${i}`, rows)))
        .map((tensors) => ({ rows, tensors })),
    );
}

/** Everything except the kind of byte array, for comparing. */
export function bytesOf(payload: Payload): unknown {
  return payload.tensors.map(({ data, ...rest }) => ({ ...rest, data: Buffer.from(data).toString('hex') }));
}
