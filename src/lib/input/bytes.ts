import { open as openFd } from 'node:fs';
import { type FileHandle, open, readdir, stat } from 'node:fs/promises';
import { Socket } from 'node:net';
import { basename, dirname, extname } from 'node:path';
import type { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { distance } from 'fastest-levenshtein';
import { answerWithin } from '../core/bounded.js';
import type { ErrorCode } from '../core/error-table.js';
import { badInput, InferError } from '../core/errors.js';
import { printable } from '../core/job.js';
import { formatBytes } from '../core/units.js';

export type InputSource = FileSource | RemoteSource | { stdin: Readable; label?: string | undefined };

/** What is fetched from an address, each time it is opened. */
export interface RemoteSource {
  label: string;
  fetch(signal?: AbortSignal): Promise<Readable>;
}

/** A file or named pipe. */
export interface FileSource {
  path: string;
  /** What messages call it [its name without folders]; for a stream [standard input]. */
  label?: string | undefined;
  /** Where the paths in its rows start from [its folder]. */
  base?: string | undefined;
  /** It is a copy of what an address gave: its rows name no files of this machine. */
  isFetched?: boolean | undefined;
}

/** 256 KiB per read: four times the default of a stream, and still small compared with a chunk. */
const BLOCK_BYTES = 256 * 1024;

/** Bytes in order, with the possibility to put some back; the only owner of the open file or stream. */
export class ByteReader {
  private readonly returned: Buffer[] = [];

  constructor(
    /** Its name in messages: the file's name, or `standard input`. */
    readonly label: string,
    private readonly pull: () => Promise<Buffer | undefined>,
    private readonly end: () => Promise<void>,
    readonly signal?: AbortSignal | undefined,
    /** Its bytes are those of a regular file, from the first on. */
    readonly isWhole = false,
  ) {}

  /** The extension in lower case including its dot, without `.gz`; empty for standard input. */
  get extension(): string {
    return extname(this.label.replace(/\.gz$/i, '')).toLowerCase();
  }

  /** @throws the signal's reason once it has fired, even while waiting for data. */
  async next(): Promise<Buffer | undefined> {
    return this.returned.pop() ?? (await untilFired(this.pull(), this.signal));
  }

  unread(block: Buffer): void {
    if (block.length > 0) this.returned.push(block);
  }

  /** Exactly `count` bytes, or as many as there are before the end. */
  async exactly(count: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    let have = 0;
    while (have < count) {
      const block = await this.next();
      if (block === undefined) break;
      const part = block.subarray(0, count - have);
      this.unread(block.subarray(part.length));
      parts.push(part);
      have += part.length;
    }
    return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
  }

  /** All remaining bytes. @throws InferError INPUT_TOO_LARGE beyond `maxBytes`. */
  async rest(maxBytes: number, what: string): Promise<Buffer> {
    const bytes = await this.exactly(maxBytes + 1);
    if (bytes.length > maxBytes) throw tooLarge(what, maxBytes);
    return bytes;
  }

  async close(): Promise<void> {
    this.returned.length = 0;
    await this.end();
  }
}

export function tooLarge(what: string, maxBytes: number, where?: string): InferError {
  return badInput(
    'INPUT_TOO_LARGE',
    `${what} is larger than ${formatBytes(maxBytes)}, the most that is held in memory`,
    {
      where,
      hint: 'write one row a line (NDJSON) or a C-ordered .npy file: those are read in pieces, whatever their size',
    },
  );
}

/**
 * Whether a source can be read. A pipe is not opened: opening and closing it would end its writer.
 * @throws InferError as `openBytes`.
 */
export async function checkSource(source: InputSource): Promise<void> {
  if ('path' in source && !(await isPipe(source.path))) await (await openFile(source)).close();
}

/**
 * @param signal ends reading, even of a silent pipe
 * @throws InferError INPUT_MISSING, INPUT_DIRECTORY, INPUT_UNREADABLE (exit 66); the signal's reason.
 */
export async function openBytes(source: InputSource, signal?: AbortSignal): Promise<ByteReader> {
  if ('stdin' in source) return openStream(source.label ?? 'standard input', source.stdin, signal);
  if ('fetch' in source) {
    const stream = await untilFired(source.fetch(signal), signal);
    return openStream(source.label, stream, signal);
  }
  const pipe = await isPipe(source.path);
  return untilFired(pipe ? openPipe(source, signal) : openFile(source, signal), signal);
}

async function untilFired<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  const leave = (): never => {
    throw signal.reason;
  };
  return answerWithin(Number.POSITIVE_INFINITY, work, leave, signal);
}

/** A named pipe, such as the shell's `<(command)`. */
export async function isPipe(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFIFO(),
    () => false,
  );
}

/**
 * As a stream: a read of a file cannot be cancelled, and one waiting for a silent pipe would keep the process
 * alive.
 */
async function openPipe({ path, label }: FileSource, signal?: AbortSignal): Promise<ByteReader> {
  const fd = await promisify(openFd)(path, 'r').catch((error: unknown) => {
    throw unreadable(path, error);
  });
  return openStream(
    label ?? printable(basename(path)),
    new Socket({ fd, readable: true, writable: false }),
    signal,
  );
}

async function openFile(source: FileSource, signal?: AbortSignal): Promise<ByteReader> {
  const { path, label = printable(basename(path)) } = source;
  let handle: FileHandle;
  try {
    handle = await open(path, 'r');
  } catch (error) {
    throw await openError(path, error);
  }
  const close = async () => handle.close();
  const reader = new ByteReader(
    label,
    async () => {
      const buffer = Buffer.allocUnsafeSlow(BLOCK_BYTES);
      const { bytesRead } = await handle.read(buffer, 0, BLOCK_BYTES, null).catch((error: unknown) => {
        throw unreadable(path, error);
      });
      return bytesRead === 0 ? undefined : buffer.subarray(0, bytesRead);
    },
    close,
    signal,
    true,
  );
  try {
    if ((await handle.stat()).isDirectory()) throw directory(path);
  } catch (error) {
    await close();
    throw error;
  }
  return reader;
}

function openStream(label: string, stream: Readable, signal?: AbortSignal): ByteReader {
  const iterator = stream[Symbol.asyncIterator]();
  return new ByteReader(
    label,
    async () => {
      const next = await iterator.next().catch((error: unknown) => {
        // A stream of ours says by itself what is wrong.
        if (error instanceof InferError) throw error;
        throw noInput(
          'INPUT_UNREADABLE',
          `${label} cannot be read`,
          'check the command that feeds it',
          error,
        );
      });
      return next.done ? undefined : toBuffer(next.value as unknown);
    },
    async () => {
      // First, because an iterator waiting for data notices its end only after that.
      stream.destroy();
      await iterator.return?.();
    },
    signal,
  );
}

function toBuffer(chunk: unknown): Buffer {
  if (Buffer.isBuffer(chunk)) return chunk;
  if (chunk instanceof Uint8Array) return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  return Buffer.from(String(chunk), 'utf8');
}

export function noInput(code: ErrorCode, message: string, hint: string, cause?: unknown): InferError {
  return new InferError(code, message, { hint, cause });
}

function directory(path: string): InferError {
  return noInput(
    'INPUT_DIRECTORY',
    `${printable(path)} is a directory, not an input file`,
    'name one file in it',
  );
}

export function unreadable(path: string, cause: unknown): InferError {
  const code = (cause as NodeJS.ErrnoException).code;
  if (code === 'EISDIR') return directory(path);
  const why =
    code === 'EACCES' || code === 'EPERM' ? ': permission denied' : code === undefined ? '' : ` (${code})`;
  return noInput(
    'INPUT_UNREADABLE',
    `${printable(path)} cannot be read${why}`,
    'check its permissions with ls -l',
    cause,
  );
}

async function openError(path: string, cause: unknown): Promise<InferError> {
  const code = (cause as NodeJS.ErrnoException).code;
  if (code !== 'ENOENT' && code !== 'ENOTDIR') return unreadable(path, cause);
  const similar = await similarNames(path);
  const hint =
    similar.length > 0
      ? `did you mean ${similar.join(' or ')}?`
      : 'check the path, or use - to read standard input';
  return noInput('INPUT_MISSING', `there is no file ${printable(path)}`, hint, cause);
}

/** Up to three files in the same directory with similar names, or names that differ only in the extension. */
async function similarNames(path: string): Promise<string[]> {
  const wanted = basename(path);
  const stem = basename(path, extname(path));
  const names = await readdir(dirname(path)).catch(() => []);
  return names
    .filter((name) => name.length < 256)
    .map((name) => ({ name, far: basename(name, extname(name)) === stem ? 0 : distance(name, wanted) }))
    .filter(({ far }) => far <= Math.max(2, Math.floor(wanted.length / 4)))
    .sort((a, b) => a.far - b.far)
    .slice(0, 3)
    .map(({ name }) => printable(dirname(path) === '.' ? name : `${dirname(path)}/${name}`));
}
