import type { GroupChunk } from '../client/types.js';
import { noNpy, npyStart, onlyArray } from '../model/npy-form.js';
import type { Payload } from '../model/tensor.js';

const CHOOSE = 'choose one output when you submit (--outputs NAME), or write NDJSON: --output results.ndjson';
const NDJSON = 'write NDJSON, which holds every row: --output results.ndjson';

/** Whether the name of a file asks for NumPy's format. */
export const isNpy = (output: string | undefined): boolean => output?.toLowerCase().endsWith('.npy') === true;

/** `.npz` would need all rows of an output before those of the next. */
export function refuseNpz(output: string): void {
  if (!output.toLowerCase().endsWith('.npz')) return;
  throw noNpy('.npz files are not written', `one output fits an .npy file: ${CHOOSE}`);
}

/**
 * The bytes of an `.npy` file with the only output of all rows, in order, a chunk at a time.
 * @param chunks whose values are payloads of one row
 * @throws InferError OUTPUT_FORM for several outputs, text, rows without a result or of different shapes.
 */
export async function* npyPieces(
  chunks: AsyncIterable<GroupChunk> | Iterable<GroupChunk>,
  rows: number,
): AsyncGenerator<Uint8Array> {
  let shape: string | undefined;
  let written = 0;
  for await (const chunk of chunks) {
    if (chunk.values === undefined || (chunk.failedRows?.length ?? 0) > 0) {
      const row = chunk.firstRow + (chunk.failedRows?.[0] ?? 0);
      throw noNpy(`row ${row + 1} has no result, which an .npy file cannot say`, NDJSON);
    }
    const pieces: Uint8Array[] = [];
    for (const value of chunk.values as Payload[]) {
      const tensor = onlyArray(value, CHOOSE);
      const own = tensor.shape.join(', ');
      if (shape === undefined) pieces.push(npyStart(tensor, [rows, ...tensor.shape]));
      shape ??= own;
      if (own !== shape) {
        const row = written + 1;
        throw noNpy(`row ${row} of output ${tensor.name} has shape [${own}], the first [${shape}]`, NDJSON);
      }
      pieces.push(tensor.data);
      written += 1;
    }
    if (pieces.length > 0) yield Buffer.concat(pieces);
  }
}
