import { join } from 'node:path';
import { InferError } from '../core/errors.js';
import { seededRandom } from '../core/random.js';
import { readInput } from '../input/read.js';
import { packageRoot } from '../model/package-root.js';
import type { ModelSignature } from '../model/signature.js';
import type { Payload } from '../model/tensor.js';
import type { ShapesByInput } from './row-shapes.js';
import { poolOf, type RowPool, randomRows } from './rows.js';

/** Rows kept from a file: enough variety, little memory. */
const MOST_ROWS = 8192;
const MOST_BYTES = 32 * 1024 * 1024;
/** The model whose test rows are bundled with infer. */
const SHIPPED = 'digits';

/** Rows of a file; else, for their model, the digits bundled with infer; else generated from a seed. */
export async function rowPool(
  signature: ModelSignature,
  options: { file: string | undefined; seed: number; shapes?: ShapesByInput | undefined },
): Promise<RowPool> {
  if (options.file !== undefined) return poolOf(options.file, await rowsOf(options.file, signature));
  if (signature.name === SHIPPED && (options.shapes?.size ?? 0) === 0) {
    const shipped = await shippedRows(signature);
    if (shipped !== undefined) return poolOf('the digits that come with infer', shipped);
  }
  const { shapes } = options;
  return poolOf('random numbers', [randomRows(signature, seededRandom(options.seed), { shapes })]);
}

async function shippedRows(signature: ModelSignature): Promise<Payload[] | undefined> {
  try {
    return await rowsOf(join(packageRoot(), 'examples', 'digits.ndjson'), signature);
  } catch (error) {
    // Another model with that name, or a package without examples.
    if (error instanceof InferError) return undefined;
    throw error;
  }
}

async function rowsOf(path: string, signature: ModelSignature): Promise<Payload[]> {
  const input = await readInput({ path }, signature);
  if (input.kind === 'one') return [input.payload];
  const chunks: Payload[] = [];
  let rows = 0;
  let bytes = 0;
  for await (const chunk of input.chunks) {
    chunks.push(chunk);
    rows += chunk.rows;
    bytes += chunk.tensors.reduce((sum, tensor) => sum + tensor.data.byteLength, 0);
    if (rows >= MOST_ROWS || bytes >= MOST_BYTES) break;
  }
  return chunks;
}
