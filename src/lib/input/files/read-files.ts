import { printable } from '../../core/job.js';
import { placeOf, rowNumbers } from '../../core/row-place.js';
import type { ModelSignature } from '../../model/signature.js';
import { concatRows, shapeKey } from '../../model/tensor.js';
import { openBytes } from '../bytes.js';
import type { Chunk, ChunkLimits } from '../chunk.js';
import { ChunkBuilder, DEFAULT_CHUNKS } from '../chunk-builder.js';
import { unpacked } from '../gzip.js';
import { preparedWeight } from '../image-column.js';
import { DEFAULT_MAX_BYTES, type Input, inputOf, type ReadOptions, readInput } from '../read.js';
import { textClass } from '../shaped-rows.js';
import type { FoundFiles, NamedSource } from './find-files.js';
import { type FileKind, kindOfFiles, namedError } from './kinds.js';

/** A file and how many rows were read of it. */
export interface FileRows {
  file: string;
  rows: number;
}

/**
 * Reads the rows of all files for a model, in their order and as `readInput`, a file at a time. Files are looked at before:
 * one that cannot be used is refused before a row is sent.
 * @param kind of the files, where it is known
 * @param counted gets an entry for each file when its rows have been read
 * @throws InferError as `kindOfFiles` and `readInput`, naming the file
 */
export async function readFiles(
  { files, several, kind: known }: FoundFiles & { kind?: FileKind },
  signature: ModelSignature,
  options: ReadOptions = {},
  counted: FileRows[] = [],
): Promise<Input> {
  const [only] = files as [NamedSource, ...NamedSource[]];
  if (!several) return readInput(only.source, signature, options);
  const kind = known ?? (await kindOfFiles(files, signature, options));
  const limits = {
    chunkRows: options.chunkRows ?? DEFAULT_CHUNKS.chunkRows,
    chunkBytes: options.chunkBytes ?? DEFAULT_CHUNKS.chunkBytes,
  };
  const chunks =
    kind === 'image'
      ? imageChunks(files, signature, { ...options, ...limits }, counted)
      : joined(rowChunks(files, signature, options, counted), signature, limits);
  const rows = kind === 'image' ? files.length : undefined;
  const close = async () => void (await chunks.return());
  return inputOf({ rows, chunks }, printable(only.name), close);
}

/** Images: a row a file, packed into chunks. */
async function* imageChunks(
  files: readonly NamedSource[],
  signature: ModelSignature,
  options: ReadOptions & ChunkLimits,
  counted: FileRows[],
): AsyncGenerator<Chunk, void, undefined> {
  const where = (row: number) => printable(files[row - 1]?.name ?? '');
  const builder = new ChunkBuilder(signature, options, where);
  for (const [at, { source, name }] of files.entries()) {
    const reader = await openBytes(source, options.signal);
    try {
      const bytes = await (await unpacked(reader)).rest(options.maxBytes ?? DEFAULT_MAX_BYTES, 'the image');
      builder.addRow(bytes, at + 1, 'refuse');
    } catch (error) {
      throw namedError(error, name);
    } finally {
      await reader.close();
    }
    counted.push({ file: name, rows: 1 });
    yield* builder.drain();
  }
  builder.flush();
  yield* builder.drain();
}

/** Chunks of files of rows, with the places of their rows among all. */
async function* rowChunks(
  files: readonly NamedSource[],
  signature: ModelSignature,
  options: ReadOptions,
  counted: FileRows[],
): AsyncGenerator<Chunk, void, undefined> {
  let before = 0;
  for (const { source, name } of files) {
    let rows = 0;
    try {
      for await (const chunk of chunksOf(await readInput(source, signature, options))) {
        const { firstRow, steps } = chunk.place ?? { firstRow: rows };
        yield { ...chunk, place: { firstRow: before + firstRow, steps } };
        rows += chunk.rows;
      }
    } catch (error) {
      throw namedError(error, name);
    }
    counted.push({ file: name, rows });
    before += rows;
  }
}

/** The chunks of an input, of one row or many; leaving them closes it. */
export async function* chunksOf(input: Input): AsyncGenerator<Chunk, void, undefined> {
  if (input.kind === 'one') yield input.payload;
  else yield* input.chunks;
}

/** Small chunks of the same shape that follow each other, joined: thousands of files of one row are not as many jobs. */
async function* joined(
  chunks: AsyncGenerator<Chunk, void, undefined>,
  { inputs }: ModelSignature,
  limits: ChunkLimits,
): AsyncGenerator<Chunk, void, undefined> {
  let parts: Chunk[] = [];
  let rows = 0;
  let bytes = 0;
  let key = '';
  for await (const chunk of chunks) {
    let size = chunk.tensors.reduce((sum, tensor) => sum + tensor.data.byteLength, 0);
    let own = shapeKey(chunk);
    // What a worker prepares takes more memory than its file, and texts are padded to the longest of their job.
    for (const [index, input] of inputs.entries()) {
      if (input.role === 'image') size += chunk.rows * preparedWeight(input);
      if (input.role === 'text')
        own += `~${textClass((chunk.tensors[index]?.data.byteLength ?? 0) / chunk.rows)}`;
    }
    const fits = own === key && rows + chunk.rows <= limits.chunkRows && bytes + size <= limits.chunkBytes;
    if (!fits && parts.length > 0) {
      yield asOne(parts);
      parts = [];
      rows = 0;
      bytes = 0;
    }
    parts.push(chunk);
    rows += chunk.rows;
    bytes += size;
    key = own;
  }
  if (parts.length > 0) yield asOne(parts);
}

function asOne(parts: readonly Chunk[]): Chunk {
  const [first] = parts as [Chunk, ...Chunk[]];
  if (parts.length === 1) return first;
  const numbers = parts.flatMap(({ place, rows }) => rowNumbers(place ?? { firstRow: 0 }, rows));
  return { ...concatRows(parts), place: placeOf(numbers) };
}
