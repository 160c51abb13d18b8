import { type ByteReader, type InputSource, openBytes } from './bytes.js';
import type { Chunk } from './chunk.js';
import { foreign } from './foreign.js';
import { unpacked } from './gzip.js';
import { PARQUET_MAGIC } from './parquet/open-parquet.js';
import { checkStart, type InputFormat, type Sniffed, sniff } from './sniff.js';

export interface OpenFormat extends Sniffed {
  /** At the first byte after a byte order mark; the caller closes it. */
  reader: ByteReader;
  /** The row of a file that is an image, where `imageOf` takes it. */
  image?: Chunk[] | undefined;
}

export interface FormatOptions {
  format?: 'auto' | InputFormat | undefined;
  /** Maximum bytes of the first line. */
  maxBytes: number;
  /** Default true: gzip data is unpacked as it is read; false: it is refused. */
  unpack?: boolean | undefined;
  /** Takes a file that is an image itself; undefined for any other, of which everything is put back. */
  imageOf?: ((reader: ByteReader) => Promise<Chunk[] | undefined>) | undefined;
  /** A `.txt` file has a row a line: the model takes texts. */
  textLines?: boolean | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * Opens a source and finds its format.
 * @throws InferError INPUT_MISSING, INPUT_DIRECTORY, INPUT_UNREADABLE (66), INPUT_FORMAT, INPUT_EMPTY (65).
 */
export async function openFormat(
  source: InputSource,
  { format = 'auto', maxBytes, unpack = true, imageOf, textLines = false, signal }: FormatOptions,
): Promise<OpenFormat> {
  const opened = await openBytes(source, signal);
  try {
    const reader = unpack ? await unpacked(opened) : opened;
    const image = await imageOf?.(reader);
    if (image !== undefined) return { reader, format: 'image', oneLine: false, image };
    if (unpack && (format === 'auto' || format === 'parquet') && (await isParquet(reader)))
      return { reader, format: 'parquet', oneLine: false };
    await checkStart(reader);
    if (format === 'parquet')
      throw foreign(reader.label, 'no Parquet file', 'write it as Parquet, or leave --format out');
    if (format !== 'auto') return { reader, format, oneLine: false };
    if (textLines && reader.extension === '.txt') return { reader, format: 'text', oneLine: false };
    return { reader, ...(await sniff(reader, maxBytes)) };
  } catch (error) {
    await opened.close();
    throw error;
  }
}

async function isParquet(reader: ByteReader): Promise<boolean> {
  const start = await reader.exactly(PARQUET_MAGIC.length);
  reader.unread(start);
  return start.equals(PARQUET_MAGIC);
}
