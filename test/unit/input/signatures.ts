import { Readable } from 'node:stream';
import { InferError } from '../../../src/lib/core/errors.js';
import { type Input, type ReadOptions, readInput } from '../../../src/lib/input/read.js';
import type { ModelSignature, TensorSignature } from '../../../src/lib/model/signature.js';
import { concatRows, type DataType, type Payload } from '../../../src/lib/model/tensor.js';

export function input(
  name: string,
  type: DataType,
  shape: (number | null)[],
  more: Partial<TensorSignature> = {},
): TensorSignature {
  return { name, type, shape, shared: false, batchAxis: 0, modelShape: [], ...more };
}

export function model(...inputs: TensorSignature[]): ModelSignature {
  return {
    name: 'digits',
    version: 1,
    task: 'tensor',
    batchable: true,
    inputs,
    outputs: [],
    sizeBytes: 0,
    digest: '',
    warnings: [],
  };
}

export const digits = model(input('pixels', 'float32', [64]));
export const square = model(input('image', 'float32', [2, 3]));
export const jsonModel: ModelSignature = {
  ...model(input('json', 'string', [], { role: 'json' })),
  task: 'handler',
};
export const table = model(input('age', 'float32', [1]), input('name', 'string', [1]));

export function floats(payload: Payload, tensor = 0): number[] {
  const { data } = payload.tensors[tensor] as { data: Uint8Array };
  return [...new Float32Array(Uint8Array.from(data).buffer)];
}

/** A stream of these bytes, split after every `cut` bytes. */
export function stream(bytes: string | Uint8Array, cut = 65_536): Readable {
  const buffer = Buffer.from(bytes as string);
  const parts: Buffer[] = [];
  for (let at = 0; at < buffer.length; at += cut) parts.push(buffer.subarray(at, at + cut));
  return Readable.from(parts);
}

export async function payloads(read: Input): Promise<Payload[]> {
  if (read.kind === 'one') return [read.payload];
  const all: Payload[] = [];
  for await (const chunk of read.chunks) all.push(chunk);
  return all;
}

export async function readAll(
  bytes: string | Uint8Array,
  signature: ModelSignature,
  options: ReadOptions = {},
  cut?: number,
): Promise<Payload> {
  return concatRows(await payloads(await readInput({ stdin: stream(bytes, cut) }, signature, options)));
}

/** The InferError with which reading ends, wherever it occurs. */
export async function failure(work: () => unknown): Promise<InferError> {
  try {
    await work();
  } catch (error) {
    if (error instanceof InferError) return error;
    throw error;
  }
  throw new Error('it did not fail');
}

/** An .npy file of raw element bytes. */
export function npy(descr: string, shape: number[], data: Uint8Array, fortran = false, version = 1): Buffer {
  const tuple = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const text = `{'descr': '${descr}', 'fortran_order': ${fortran ? 'True' : 'False'}, 'shape': (${tuple}), }`;
  const lengthBytes = version === 1 ? 2 : 4;
  const size = Math.ceil((8 + lengthBytes + text.length + 1) / 64) * 64 - 8 - lengthBytes;
  const length = Buffer.alloc(lengthBytes);
  length.writeUIntLE(size, 0, lengthBytes);
  const header = Buffer.from(`${text.padEnd(size - 1)}\n`, 'latin1');
  return Buffer.concat([
    Buffer.from(`\x93NUMPY${String.fromCharCode(version)}\0`, 'latin1'),
    length,
    header,
    data,
  ]);
}
