import { nested, readerOf, rowValues } from './rows.js';
import {
  ELEMENT_BYTES,
  elementCount,
  type Payload,
  type RowTensor,
  rowShape,
  sliceRows,
  splitRows,
} from './tensor.js';

/** A piece of the text of a row; `ends`: it is the last of its row. */
export interface RowPiece {
  text: string;
  ends: boolean;
}

/** Elements that make one piece, or one step over small rows: some 20 ms. */
const PIECE_ELEMENTS = 65_536;
/** Bytes of text that count as one element. */
const TEXT_BYTES = 8;

/**
 * The rows of a result as JSON, the same text as `rowValues` in the form `json` gives, in pieces: a large result
 * is never held as values, and the reader may pause between two pieces.
 */
export function* rowPieces(payload: Payload): Generator<RowPiece> {
  for (const part of partsOf(payload)) {
    const isLarge = part.rows === 1 && elementsOf(part) > PIECE_ELEMENTS;
    if (isLarge && part.tensors[0]?.role !== 'json') {
      yield* largeRow(part);
      continue;
    }
    for (const value of rowValues(part, 'json')) yield { text: JSON.stringify(value), ends: true };
  }
}

/** Consecutive rows, so many together that their elements make about one piece. */
function* partsOf(payload: Payload): Generator<Payload> {
  const { rows, tensors } = payload;
  const step = Math.max(1, Math.floor((rows * PIECE_ELEMENTS) / Math.max(1, elementsOf(payload))));
  if (step >= rows) {
    yield payload;
    return;
  }
  const isEven = tensors.every(({ shared, type, shapes }) => shared || (type !== 'string' && !shapes));
  if (!isEven) {
    // Where their rows begin is found once for all.
    const counts = Array.from({ length: Math.ceil(rows / step) }, (_, i) => Math.min(step, rows - i * step));
    yield* splitRows(payload, counts);
    return;
  }
  for (let from = 0; from < rows; from += step) yield sliceRows(payload, from, Math.min(rows, from + step));
}

/** Elements that the text of all rows has: those of a shared tensor are in each. */
function elementsOf({ rows, tensors }: Payload): number {
  return tensors.reduce((sum, { type, data, shared }) => {
    const elements = data.byteLength / (type === 'string' ? TEXT_BYTES : ELEMENT_BYTES[type]);
    return sum + elements * (shared ? rows : 1);
  }, 0);
}

/** The text of a payload of one row. */
function* largeRow({ tensors }: Payload): Generator<RowPiece> {
  for (const [index, tensor] of tensors.entries()) {
    yield { text: `${index === 0 ? '{' : ','}${JSON.stringify(tensor.name)}:`, ends: false };
    for (const text of arrayText(tensor)) yield { text, ends: false };
  }
  yield { text: '}', ends: true };
}

/** The nested arrays of one row of a tensor, in pieces. */
function* arrayText(tensor: RowTensor): Generator<string> {
  const read = readerOf(tensor, 'json');
  function* piecesOf(shape: readonly number[], from: number): Generator<string> {
    const [dim, ...inner] = shape;
    if (dim === undefined || elementCount(shape) <= PIECE_ELEMENTS) {
      yield JSON.stringify(nested(read, shape, from));
      return;
    }
    const size = elementCount(inner);
    const step = Math.max(1, Math.floor(PIECE_ELEMENTS / Math.max(1, size)));
    for (let at = 0; at < dim; at += step) {
      yield at === 0 ? '[' : ',';
      if (size > PIECE_ELEMENTS) {
        yield* piecesOf(inner, from + at * size);
      } else {
        const some = [Math.min(step, dim - at), ...inner];
        yield JSON.stringify(nested(read, some, from + at * size)).slice(1, -1);
      }
    }
    yield ']';
  }
  yield* piecesOf(rowShape(tensor, 0), 0);
}
