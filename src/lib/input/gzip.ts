import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { badInput, InferError } from '../core/errors.js';
import { ByteReader } from './bytes.js';

const GZIP_MAGIC = Buffer.from([0x1f, 0x8b]);
/** Bytes unpacked at a time. */
const BLOCK_BYTES = 256 * 1024;

/**
 * The content of gzip data, as it is read; other data unchanged. Memory stays flat however much comes out:
 * what is held completely (a line, a document) has its own limit.
 */
export async function unpacked(reader: ByteReader): Promise<ByteReader> {
  const start = await reader.exactly(GZIP_MAGIC.length);
  reader.unread(start);
  if (!start.equals(GZIP_MAGIC)) return reader;
  const gunzip = createGunzip({ chunkSize: BLOCK_BYTES });
  pipeline(Readable.from(blocksOf(reader), { objectMode: true, highWaterMark: 1 }), gunzip, () => undefined);
  const blocks = gunzip[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  return new ByteReader(
    reader.label,
    async () => {
      const next = await blocks.next().catch((error: unknown) => {
        throw error instanceof InferError ? error : damaged(reader.label, error as NodeJS.ErrnoException);
      });
      return next.done ? undefined : next.value;
    },
    async () => {
      // First: reading may wait for a silent pipe, which only this ends.
      await reader.close();
      gunzip.destroy();
    },
    reader.signal,
  );
}

async function* blocksOf(reader: ByteReader): AsyncGenerator<Buffer> {
  for (let block = await reader.next(); block !== undefined; block = await reader.next()) yield block;
}

function damaged(label: string, error: NodeJS.ErrnoException): unknown {
  if (typeof error.code !== 'string' || !error.code.startsWith('Z_')) return error;
  const cut = error.code === 'Z_BUF_ERROR';
  return badInput('INPUT_GZIP', `${label} is gzip data that ${cut ? 'ends too early' : 'is damaged'}`, {
    hint: `copy or download it again; gzip -t FILE checks it`,
  });
}
