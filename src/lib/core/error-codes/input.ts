import { ExitCode } from '../exit-codes.js';
import { errors } from './facts.js';

/** Rejected input data; nothing of it stays queued. */
const BAD = { exitCode: ExitCode.BadInput, retryable: false, fault: 'caller', traits: ['bad-rows'] } as const;

/** A named thing that does not exist or cannot be opened. */
const MISSING = { exitCode: ExitCode.NoInput, retryable: false, fault: 'caller' } as const;

export const INPUT_ERRORS = {
  ...errors(
    { ...BAD, httpStatus: 400, doc: 'input.md#errors' },
    {
      INPUT_JSON: 'The input is not valid JSON.',
      INPUT_ENCODING: 'The text is not valid UTF-8.',
      INPUT_KEY: 'An object has a field twice, or a field whose name is refused.',
      INPUT_TOO_DEEP: 'Lists or objects are nested too deep.',
      INPUT_NPY: 'The `.npy` file is damaged or of an unsupported kind.',
      INPUT_TABLE: 'The CSV or TSV table is malformed.',
      INPUT_PARQUET: 'The Parquet file is damaged or has something that infer does not read.',
      INPUT_GZIP: 'The gzip data is damaged or cut short.',
      INPUT_OIP: 'The Open Inference Protocol document is malformed.',
    },
  ),
  ...errors(
    { ...BAD, httpStatus: 415, doc: 'input.md' },
    {
      INPUT_FORMAT: 'The input is in a format that infer does not read.',
      INPUT_KINDS: 'The files of one command are of different kinds, such as images and tables.',
    },
  ),
  ...errors(
    { ...BAD, httpStatus: 413, doc: 'reliability.md#size-limits' },
    { INPUT_TOO_LARGE: 'The document, the line or the input of one job is too large.' },
  ),
  ...errors(
    { ...BAD, httpStatus: 422, doc: 'input.md#errors' },
    {
      INPUT_EMPTY: 'The input contains no rows.',
      INPUT_NAMES: 'An input of the model is missing, unknown or given twice.',
      INPUT_SHAPE: 'The model does not take an input of this shape.',
      INPUT_RAGGED: 'Inner lists have different lengths.',
      INPUT_MIXED: 'Rows of one job differ in shape or in an input that they share.',
    },
  ),
  ...errors(
    { ...BAD, httpStatus: 422, doc: 'tasks.md#bad-images' },
    { INPUT_IMAGE: 'An image cannot be decoded: it is damaged, too large, or of a kind that is not read.' },
  ),
  ...errors(
    { ...BAD, httpStatus: 422, doc: 'tasks.md#texts' },
    { INPUT_TEXT: 'A text has no tokens, or more than the model takes and may not be cut.' },
  ),
  ...errors(
    { ...BAD, httpStatus: 409, doc: 'tables.md#score' },
    { INPUT_CHANGED: 'The input changed while its rows were scored.' },
  ),
  ...errors(
    { ...BAD, httpStatus: 422, doc: 'input.md#values' },
    {
      INPUT_TYPE: 'A value has a type that the model does not take.',
      INPUT_VALUE: 'A value cannot be represented in its type: NaN, null, out of range.',
    },
  ),
  ...errors(
    { ...BAD, httpStatus: 422, doc: 'reliability.md#changed-models' },
    {
      INPUT_MISMATCH:
        'The input was checked against another version of the model than the one that is to run it.',
    },
  ),
  ...errors(
    { ...BAD, httpStatus: 422, doc: 'models.md#what-infer-detects' },
    { TENSOR_BYTES: 'The bytes of a tensor do not fit its shape and type.' },
  ),
  ...errors(
    { ...MISSING, httpStatus: 404, doc: 'input.md#errors', traits: ['names-nothing'] },
    { INPUT_MISSING: 'There is no such file.' },
  ),
  ...errors(
    { ...BAD, httpStatus: 422, doc: 'input.md#addresses' },
    { INPUT_ADDRESS: 'An address is malformed or must not be fetched, such as one in a private network.' },
  ),
  ...errors(
    { ...MISSING, httpStatus: 502, retryable: true, doc: 'input.md#addresses' },
    { INPUT_FETCH: 'What an address leads to cannot be fetched.' },
  ),
  ...errors(
    { ...MISSING, httpStatus: 400, doc: 'input.md#errors' },
    {
      INPUT_DIRECTORY: 'A directory was named where a file of input is needed.',
      INPUT_UNREADABLE: 'The file or stream of input cannot be read.',
    },
  ),
  ...errors(
    { ...BAD, httpStatus: 400, doc: 'autoscaling.md#simulate-your-own-traffic' },
    {
      TRACE_COLUMNS:
        'A line of the trace has a different number of columns than the first, or no column is named.',
      TRACE_EMPTY: 'The trace contains no arrivals.',
      TRACE_HEADER: 'No column of the trace is named as the time of arrival.',
      TRACE_SERVICE: 'A service time in the trace cannot be read.',
      TRACE_TIME: 'A time of arrival in the trace cannot be read, or has a different format from the others.',
    },
  ),
  ...errors(
    { ...MISSING, httpStatus: 404, doc: 'autoscaling.md#simulate-your-own-traffic' },
    { TRACE_UNKNOWN: 'No trace or file has this name.' },
  ),
} as const;
