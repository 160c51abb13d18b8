import { Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  type Ending,
  failureOfRow,
  type OpenResult,
  openResult,
  resultValues,
  toJobResult,
  withDevice,
} from '../../../client/render.js';
import type { JobResult } from '../../../client/types.js';
import { type RowPiece, rowPieces } from '../../../model/row-text.js';
import type { PartialMeta } from '../../../queue/types.js';

/** A larger stored result is written as text in pieces, so that others get their turn. */
const LARGE_BYTES = 1024 * 1024;
/** Characters that go out together. */
const PIECE_CHARS = 65_536;

/** The values of a large result, which become text on their way out. */
export class LargeResult {
  private readonly open: OpenResult;

  /** @throws InferError JOB_DAMAGED if it cannot be read. */
  constructor(
    private readonly ending: Ending,
    private readonly stored: Buffer,
  ) {
    this.open = openResult(stored);
  }

  /** Indexes of the rows without an output. */
  get failedRows(): number[] {
    const { partial } = this.open;
    if (partial === undefined) return [];
    const failed: number[] = [];
    for (const [from, to] of gapsOf(partial)) for (let row = from; row < to; row++) failed.push(row);
    return failed;
  }

  /** Rows with an output. */
  get rowsDone(): number {
    return this.open.payload.rows;
  }

  /** The value of a job of one row, else a list of them, between `before` and `after`. */
  json(before = '', after = ''): Readable {
    const isOne = this.ending.rows === 1 && (this.open.partial?.of ?? this.open.payload.rows) === 1;
    return textOf(this.rows(), ',', isOne ? [before, after] : [`${before}[`, `]${after}`]);
  }

  /** A line for each row. */
  ndjson(): Readable {
    return textOf(this.rows(), '\n', ['', '\n']);
  }

  /** All values at once, where no one took the pieces. */
  toJSON(): unknown {
    const { values } = resultValues(this.stored, this.ending.meta?.device, this.ending.failure, 'json');
    return values.length === 1 && this.ending.rows === 1 ? values[0] : values;
  }

  private *rows(): Generator<RowPiece> {
    const { payload, task, partial } = this.open;
    const { meta, failure } = this.ending;
    const pieces = rowPieces(payload);
    const own = task === 'classification' && meta !== undefined ? namingDevice(pieces, meta.device) : pieces;
    if (partial === undefined) {
      yield* own;
      return;
    }
    const gaps = gapsOf(partial);
    let row = 0;
    for (const [from, to] of [...gaps, [partial.of, partial.of] as const]) {
      for (; row < from; row++) yield* nextRow(own);
      for (; row < to; row++) {
        yield { text: JSON.stringify({ error: failureOfRow(partial, row) ?? failure }), ends: true };
      }
    }
  }
}

/** A job as the gateway shows it. */
export interface ShownResult extends JobResult {
  /** Version of the model that ran it, or before that the requested one. */
  version?: number;
}

/**
 * A job and its stored result as `toJobResult` gives them, with the version of its model; the values of a
 * large one as a `LargeResult`.
 * @throws InferError JOB_DAMAGED if the result cannot be read.
 */
export function shownResult(ending: Ending, stored: Buffer | undefined): ShownResult {
  const version = ending.meta?.version ?? ending.version;
  const ran = version === undefined ? {} : { version };
  if (stored === undefined || stored.byteLength <= LARGE_BYTES)
    return { ...toJobResult(ending, stored, 'json'), ...ran };
  const result = new LargeResult(ending, stored);
  const { failedRows } = result;
  return {
    ...toJobResult(ending, undefined, 'json'),
    ...ran,
    ...(ending.state === 'failed' && result.rowsDone > 0 ? { rowsDone: result.rowsDone } : {}),
    result,
    ...(failedRows.length === 0 ? {} : { failedRows }),
  };
}

/** The body to send for an object whose `result` may be a `LargeResult`: the object, or its text in pieces. */
export function bodyOf<Body extends object>(body: Body): Body | Readable {
  const { result, ...rest } = body as Body & { result?: unknown };
  if (!(result instanceof LargeResult)) return body;
  const start = JSON.stringify(rest).slice(0, -1);
  return result.json(`${start}${start === '{' ? '' : ','}"result":`, '}');
}

/** Ranges `[from, to)` of the rows that a partial result does not have; those that it has are in order. */
function gapsOf({ of, done }: PartialMeta): [number, number][] {
  const gaps: [number, number][] = [];
  let next = 0;
  for (const [from, to] of done) {
    if (from > next) gaps.push([next, from]);
    next = to;
  }
  if (of > next) gaps.push([next, of]);
  return gaps;
}

/** The pieces of one row. */
function* nextRow(pieces: Generator<RowPiece>): Generator<RowPiece> {
  for (;;) {
    const step = pieces.next();
    if (step.done === true) return;
    yield step.value;
    if (step.value.ends) return;
  }
}

/** Rows of a classification name the device that decided. */
function* namingDevice(pieces: Generator<RowPiece>, device: string): Generator<RowPiece> {
  for (const { text, ends } of pieces) yield { text: ends ? withDevice(text, device) : text, ends };
}

/** Rows as one text, in pieces with turns for others between them. */
function textOf(
  rows: Iterable<RowPiece>,
  separator: string,
  [before, after]: readonly [string, string],
): Readable {
  async function* pieces(): AsyncGenerator<string> {
    let text = before;
    let isFirst = true;
    let isStart = true;
    for (const piece of rows) {
      if (isStart && !isFirst) text += separator;
      text += piece.text;
      isFirst = false;
      isStart = piece.ends;
      if (text.length < PIECE_CHARS) continue;
      yield text;
      text = '';
      await nextTurn();
    }
    yield text + after;
  }
  return Readable.from(pieces(), { objectMode: false, encoding: 'utf8' });
}
