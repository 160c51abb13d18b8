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
      shared: fc.boolean(),
    })
    .chain(({ type, shape, shared }) => {
      const count = elementCount(shape) * (shared ? 1 : rows);
      const bytes = count * ELEMENT_BYTES[type];
      const data: fc.Arbitrary<Uint8Array> =
        type === 'string'
          ? fc.array(fc.string(), { minLength: count, maxLength: count }).map(encodeStrings)
          : fc.uint8Array({ minLength: bytes, maxLength: bytes });
      return data.map((content) => ({ name, type, shape, ...(shared ? { shared } : {}), data: content }));
    });

/** Payloads of 1..6 rows and one to three tensors of any type, some of them shared. */
export function payloads(): fc.Arbitrary<Payload> {
  return fc
    .record({ rows: fc.integer({ min: 1, max: 6 }), count: fc.integer({ min: 1, max: 3 }) })
    .chain(({ rows, count }) =>
      fc
        .tuple(...Array.from({ length: count }, (_, i) => tensor(`t${i}`, rows)))
        .map((tensors) => ({ rows, tensors })),
    );
}

/** Everything but the kind of byte array, for comparing. */
export function bytesOf(payload: Payload): unknown {
  return payload.tensors.map(({ data, ...rest }) => ({ ...rest, data: Buffer.from(data).toString('hex') }));
}
