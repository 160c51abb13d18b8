import { type FailureRecord, InferError } from '../../core/errors.js';
import { printable } from '../../core/job.js';
import { resultOutputs, type SelectionWish, selectionOf } from '../../model/selection.js';
import type { ModelSignature } from '../../model/signature.js';
import type { DataType } from '../../model/tensor.js';
import type { CellKind, OutputColumn } from '../../output/table/table.js';

/** Names of the columns that are added to those of the input. */
const PREFIX = 'prediction';
const ERROR = 'error';

const KINDS: Record<DataType, CellKind> = {
  float32: 'float32',
  float16: 'float32',
  float64: 'float64',
  int8: 'int32',
  uint8: 'int32',
  int16: 'int32',
  uint16: 'int32',
  int32: 'int32',
  uint32: 'int64',
  int64: 'int64',
  // More than an int64 holds.
  uint64: 'text',
  bool: 'boolean',
  string: 'text',
};

/** The columns of a model's results, and their cells of one row. */
export interface Predictions {
  columns: readonly OutputColumn[];
  /** @param value as the client gives it in the form `json` */
  done(value: unknown): unknown[];
  failed(error: FailureRecord | undefined): unknown[];
}

/**
 * One column an output, `prediction.<output>`; a handler's answer is one column, `prediction`, of JSON.
 * @param wish which outputs the results have
 * @throws InferError OUTPUT_SELECTION (2), OUTPUT_UNKNOWN
 */
export function predictionsOf(signature: ModelSignature, wish: SelectionWish = {}): Predictions {
  const outputs = resultOutputs(signature, selectionOf(wish, signature) ?? {});
  const error: OutputColumn = { name: ERROR, kind: 'text', depth: 0 };
  const isJson = outputs.length === 0 || outputs.some(({ role }) => role === 'json');
  const names = outputs.map(({ name }) => name);
  const columns = isJson
    ? [{ name: PREFIX, kind: 'json' as const, depth: 0 }]
    : outputs.map(({ name, type, shape }) => ({
        name: `${PREFIX}.${name}`,
        kind: KINDS[type],
        depth: shape.length,
      }));
  const none = columns.map(() => null);
  return {
    columns: [...columns, error],
    done: (value) => {
      if (isJson) return [value, null];
      const fields = value as Record<string, unknown>;
      return [...names.map((name) => fields[name] ?? null), null];
    },
    failed: (why) => [...none, why === undefined ? 'FAILED' : `${why.code}: ${why.message}`],
  };
}

/** @throws InferError OUTPUT_COLUMNS (2) if a kept column has the name of an added one. */
export function checkNames(kept: readonly { name: string }[], added: readonly OutputColumn[]): void {
  const twice = kept.flatMap(({ name }) => (added.some((column) => column.name === name) ? [name] : []));
  const [first] = twice;
  if (first === undefined) return;
  const drop = twice.map((name) => printable(name)).join(',');
  throw new InferError('OUTPUT_COLUMNS', `the input has a column '${printable(first)}', as the output will`, {
    hint: `leave ${twice.length === 1 ? 'it' : 'them'} out: --drop ${drop}`,
  });
}
