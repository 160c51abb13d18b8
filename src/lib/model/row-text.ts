import { nestedFloatsText } from './float-text.js';
import { toElements } from './layout.js';
import { nested, readerOf, rowValues } from './rows.js';
import {
  ELEMENT_BYTES,
  elementCount,
  type Payload,
  type RowTensor,
  rowShape,
  rowStarts,
  sliceRows,
  splitRows,
} from './tensor.js';

/** A piece of the text of a row; `ends`: it is the last of its row. */
export interface RowPiece {
  text: string;
  ends: boolean;
}

/** The value of a row as JSON, for a reader that only passes it on. */
export class RowText {
  constructor(readonly text: string) {}

  toJSON(): unknown {
    return JSON.parse(this.text);
  }
}

/** The JSON of a row's value, whether it is text already or not. */
export function jsonOfRow(value: unknown): string {
  return value instanceof RowText ? value.text : JSON.stringify(value);
}

/** Elements that make one piece, or one step over small rows: some 5 to 20 ms. */
const PIECE_ELEMENTS = 65_536;
/** Bytes of text that count as one element. */
const TEXT_BYTES = 8;

/**
 * The rows of a result as JSON, the same text as `rowValues` in the form `json` gives, in pieces: a large result
 * is never held as values, and the reader may pause between two pieces.
 */
export function* rowPieces(payload: Payload): Generator<RowPiece> {
  for (const part of partsOf(payload)) {
    if (part.tensors[0]?.role === 'json') {
      for (const value of rowValues(part, 'json')) yield { text: JSON.stringify(value), ends: true };
    } else if (part.rows === 1 && elementsOf(part) > PIECE_ELEMENTS) yield* largeRow(part);
    else yield* smallRows(part);
  }
}

/** The text of every row as a whole. */
export function rowTexts(payload: Payload): string[] {
  const texts: string[] = [];
  let text = '';
  for (const piece of rowPieces(payload)) {
    text += piece.text;
    if (!piece.ends) continue;
    texts.push(text);
    text = '';
  }
  return texts;
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

/** The rows of a payload, each as one piece. */
function* smallRows({ rows, tensors }: Payload): Generator<RowPiece> {
  const fields = inFieldOrder(tensors).map((tensor) => ({
    tensor,
    name: JSON.stringify(tensor.name),
    textAt: textReader(tensor),
    starts: tensor.shared ? [] : rowStarts(tensor, rows),
  }));
  for (let row = 0; row < rows; row++) {
    const texts = fields.map(
      ({ tensor, name, textAt, starts }) => `${name}:${textAt(rowShape(tensor, row), starts[row] ?? 0)}`,
    );
    yield { text: `{${texts.join(',')}}`, ends: true };
  }
}

/** The text of a payload of one row. */
function* largeRow({ tensors }: Payload): Generator<RowPiece> {
  for (const [index, tensor] of inFieldOrder(tensors).entries()) {
    yield { text: `${index === 0 ? '{' : ','}${JSON.stringify(tensor.name)}:`, ends: false };
    for (const text of arrayText(tensor)) yield { text, ends: false };
  }
  yield { text: '}', ends: true };
}

/** Tensors in the order of the fields of a row's value: an object has names that are indexes first. */
function inFieldOrder(tensors: readonly RowTensor[]): readonly RowTensor[] {
  if (tensors.length < 2) return tensors;
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const fields = Object.keys(Object.fromEntries([...byName.keys()].map((name) => [name, true])));
  return fields.map((name) => byName.get(name) as RowTensor);
}

/** Writes elements of a tensor from one on as the JSON of nested arrays of a shape. */
function textReader(tensor: RowTensor): (shape: readonly number[], from: number) => string {
  if (tensor.type === 'float32') {
    const values = toElements('float32', tensor.data) as Float32Array;
    return (shape, from) => nestedFloatsText(values, shape, from);
  }
  const read = readerOf(tensor, 'json');
  return (shape, from) => JSON.stringify(nested(read, shape, from));
}

/** The nested arrays of one row of a tensor, in pieces. */
function* arrayText(tensor: RowTensor): Generator<string> {
  const textAt = textReader(tensor);
  function* piecesOf(shape: readonly number[], from: number): Generator<string> {
    const [dim, ...inner] = shape;
    if (dim === undefined || elementCount(shape) <= PIECE_ELEMENTS) {
      yield textAt(shape, from);
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
        yield textAt(some, from + at * size).slice(1, -1);
      }
    }
    yield ']';
  }
  yield* piecesOf(rowShape(tensor, 0), 0);
}
