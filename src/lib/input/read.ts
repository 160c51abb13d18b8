import { dirname, resolve } from 'node:path';
import { currentDir } from '../core/current-dir.js';
import { badInput } from '../core/errors.js';
import { type ModelSignature, takesImage, takesText } from '../model/signature.js';
import type { Payload } from '../model/tensor.js';
import type { ImageAddresses } from './address/fetched-rows.js';
import type { Fetcher } from './address/fetcher.js';
import { type ByteReader, checkSource, type InputSource } from './bytes.js';
import type { Chunk } from './chunk.js';
import { DEFAULT_CHUNKS } from './chunk-builder.js';
import type { ReadFile } from './column.js';
import { readImageFile } from './image-file.js';
import { parseDocument } from './json-document.js';
import { localImages, noLocalImages } from './local-images.js';
import { readNdjson, readTextLines } from './ndjson.js';
import { readNpy } from './npy.js';
import { type OpenFormat, openFormat } from './open-format.js';
import type { InputFormat } from './sniff.js';
import { openParquetTable, openTable } from './table/open-table.js';
import type { TableOptions } from './table/table.js';
import { tableChunks } from './table/table-chunks.js';
import { DEFAULT_MAX_DEPTH, payloadsFromValue } from './value.js';

export interface ReadOptions {
  /**
   * Default `auto`: detected from the bytes, and `.ndjson`, `.jsonl`, `.csv`, `.tsv` and, for a model that takes texts,
   * `.txt` from the name.
   */
  format?: 'auto' | InputFormat | undefined;
  /** Maximum rows per chunk; default 256. */
  chunkRows?: number | undefined;
  /** Maximum tensor bytes per chunk; default 1 MiB. A single row is always accepted, whatever its size. */
  chunkBytes?: number | undefined;
  /**
   * Maximum bytes of anything that must be held completely: a JSON document, a line, a Fortran-ordered array.
   * Default 64 MiB.
   */
  maxBytes?: number | undefined;
  /** Maximum nesting depth of JSON; default 64. */
  maxDepth?: number | undefined;
  /** Maximum number of lists, objects, texts and commas in a JSON document or line; default no limit. */
  maxValues?: number | undefined;
  /** How a table (CSV, TSV) is to be read. */
  table?: TableOptions | undefined;
  /** Default true: gzip data is unpacked as it is read; false: it is refused. */
  unpack?: boolean | undefined;
  /**
   * Read the image files that rows name by their paths, relative to the source, and in JSON fetch those that they name by
   * their addresses. Only for a process that acts for its own user [no].
   */
  localFiles?: boolean | undefined;
  /** Ends reading, here and in `chunks`, even of a silent pipe; both then throw its reason. */
  signal?: AbortSignal | undefined;
}

export const DEFAULT_MAX_BYTES = 64 * 1024 * 1024;

/** The content of an input. Exactly one row is `one`, whatever the format. */
export type Input =
  | { kind: 'one'; payload: Payload }
  | {
      kind: 'many';
      /** Total number of rows if known in advance: for a JSON document or .npy file, not for NDJSON. */
      rows: number | undefined;
      /**
       * Chunks, whose `place` says which rows they contain; can be read once: the source is closed at the
       * end, on an error, or by leaving a `for await` early.
       */
      chunks: AsyncIterable<Chunk>;
      /** Closes the source when `chunks` will not be read (further). Safe to call twice. */
      close(): Promise<void>;
    };

/**
 * Whether a source can be read, before the user is asked for anything else.
 * @throws InferError INPUT_MISSING, INPUT_DIRECTORY, INPUT_UNREADABLE (66).
 */
export async function checkInput(source: InputSource): Promise<void> {
  await checkSource(source);
}

/**
 * Reads the rows of a file or stream for a model. NDJSON, tables and .npy are read as they are consumed, in constant
 * memory; a JSON document is checked completely before its first row is returned.
 * @throws InferError INPUT_MISSING, INPUT_DIRECTORY, INPUT_UNREADABLE (exit 66) and INPUT_* (exit 65); for
 *   the first rows here, for later ones from `chunks`.
 */
export async function readInput(
  source: InputSource,
  signature: ModelSignature,
  options: ReadOptions = {},
): Promise<Input> {
  const { maxBytes = DEFAULT_MAX_BYTES } = options;
  const imageOf = (reader: ByteReader) =>
    readImageFile(reader, signature, maxBytes, options.format === 'image');
  const textLines = takesText(signature);
  const format = await openFormat(source, { ...options, maxBytes, imageOf, textLines });
  const { reader } = format;
  let closed: Promise<void> | undefined;
  let opened: Rows | undefined;
  let fetcher: Fetcher | undefined;
  const close = () => {
    // The chunks may hold a file of their own.
    closed ??= reader.close().then(async () => {
      fetcher?.close();
      await opened?.chunks.return();
    });
    return closed;
  };
  try {
    const images =
      options.localFiles === true ? await imagesOf(source, signature, options.signal) : undefined;
    fetcher = images?.fetcher;
    opened = await openRows(format, source, signature, { ...options, maxBytes, ...images });
    return await inputOf(opened, reader.label, close);
  } catch (error) {
    await close();
    throw error;
  }
}

/** Rows that are read as they are consumed. */
export interface Rows {
  /** How many, if known in advance. */
  rows: number | undefined;
  chunks: AsyncGenerator<Chunk, void, undefined>;
}

/**
 * Rows as an input, after the first two were looked at.
 * @throws InferError INPUT_EMPTY naming `label`; those of `chunks`. The caller closes then.
 */
export async function inputOf(
  { rows, chunks }: Rows,
  label: string,
  close: () => Promise<void>,
): Promise<Input> {
  const first = await chunks.next();
  if (first.done) throw badInput('INPUT_EMPTY', `${label} holds no rows`, { hint: 'give one row or more' });
  const early = [first.value];
  if (first.value.rows === 1) {
    const second = await chunks.next();
    if (second.done) {
      await close();
      return { kind: 'one', payload: first.value };
    }
    early.push(second.value);
  }
  return { kind: 'many', rows, chunks: resume(early, chunks, close), close };
}

/** How the images are found that rows name. Rows from an address name no files of this machine, and no servers near it. */
async function imagesOf(source: InputSource, signature: ModelSignature, signal: AbortSignal | undefined) {
  const isFetched = 'fetch' in source || ('path' in source && source.isFetched === true);
  const readFile = isFetched ? noLocalImages : localImages(baseOf(source));
  if (!takesImage(signature)) return { readFile };
  const [{ Fetcher }, { ImageAddresses }] = await Promise.all([
    import('./address/fetcher.js'),
    import('./address/fetched-rows.js'),
  ]);
  const fetcher = new Fetcher(isFetched ? 'public' : 'any', signal);
  return { readFile, fetcher, addresses: new ImageAddresses(signature, fetcher) };
}

/** Where the paths in a source start from. */
function baseOf(source: InputSource): string {
  return 'path' in source ? (source.base ?? dirname(resolve(source.path))) : currentDir();
}

async function openRows(
  { reader, format, oneLine, image }: OpenFormat,
  source: InputSource,
  signature: ModelSignature,
  options: ReadOptions & { maxBytes: number; readFile?: ReadFile; addresses?: ImageAddresses },
): Promise<Rows> {
  const limits = {
    chunkRows: options.chunkRows ?? DEFAULT_CHUNKS.chunkRows,
    chunkBytes: options.chunkBytes ?? DEFAULT_CHUNKS.chunkBytes,
    maxBytes: options.maxBytes,
    maxDepth: options.maxDepth ?? DEFAULT_MAX_DEPTH,
    maxValues: options.maxValues,
    readFile: options.readFile,
    addresses: options.addresses,
  };
  if (image !== undefined) return { rows: 1, chunks: replay(image) };
  if (format === 'ndjson') return { rows: undefined, chunks: readNdjson(reader, signature, limits) };
  if (format === 'text') return { rows: undefined, chunks: readTextLines(reader, signature, limits) };
  if (format === 'npy') return readNpy(reader, signature, limits);
  if (format === 'csv' || format === 'tsv') {
    const { table, mapping } = await openTable(reader, format, signature, { ...options.table, ...limits });
    return { rows: undefined, chunks: tableChunks(table, mapping, signature, limits) };
  }
  if (format === 'parquet') {
    const { table, mapping, close } = await openParquetTable(reader, source, signature, options.table);
    return { rows: table.rows, chunks: closing(tableChunks(table, mapping, signature, limits), close) };
  }
  const guessed = (options.format ?? 'auto') === 'auto' && !oneLine;
  const what = `the JSON document${guessed ? ' (not NDJSON: its first line is not a complete JSON value)' : ''}`;
  const bytes = await reader.rest(limits.maxBytes, what);
  const extras = oneLine && reader.extension !== '.json' ? 'ignore' : 'refuse';
  const parsed = parseDocument(bytes, limits);
  const value = limits.addresses === undefined ? parsed : await limits.addresses.document(parsed);
  const payloads = payloadsFromValue(value, signature, { ...limits, extras });
  return { rows: payloads.reduce((sum, payload) => sum + payload.rows, 0), chunks: replay(payloads) };
}

/** Chunks of a file that is closed after the last, or when they are left. */
async function* closing(
  chunks: AsyncGenerator<Chunk, void, undefined>,
  close: () => Promise<void>,
): AsyncGenerator<Chunk, void, undefined> {
  try {
    yield* chunks;
  } finally {
    await close();
  }
}

async function* replay(payloads: Chunk[]): AsyncGenerator<Chunk, void, undefined> {
  yield* payloads;
}

async function* resume(
  early: Chunk[],
  rest: AsyncGenerator<Chunk, void, undefined>,
  close: () => Promise<void>,
): AsyncGenerator<Chunk, void, undefined> {
  try {
    for (let payload = early.shift(); payload !== undefined; payload = early.shift()) yield payload;
    yield* rest;
  } finally {
    await close();
  }
}
