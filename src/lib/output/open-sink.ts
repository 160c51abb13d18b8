import { constants, fstatSync, openSync, type Stats } from 'node:fs';
import { access, type FileHandle, open, readlink, realpath, stat } from 'node:fs/promises';
import { Socket } from 'node:net';
import { dirname, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openReplacement } from './replacement.js';
import type { Sink } from './sink.js';
import { type WritableTo, writeTo } from './write-to.js';

const { O_WRONLY, O_TRUNC, O_NONBLOCK, O_NOCTTY } = constants;
/** Interval at which a named pipe without a reader is tried again. */
const READER_MS = 50;
/** Links followed before a chain counts as a loop; Linux follows 40. */
const MOST_LINKS = 40;

/**
 * Opens the target of `--output`. A regular or new file is written next to its place and renamed, so that it
 * is either complete or unchanged, with its previous mode and owner. A symbolic link's target is written.
 * Anything else (a device, a named pipe, `/dev/fd/63` of a shell's process substitution) is written directly:
 * renaming would replace it. So is a file that would lose its owner or second name by renaming. `standard`
 * writes to standard output and standard error.
 * @throws NodeJS.ErrnoException of the system; the signal's reason while a pipe has no reader.
 */
export async function openSink(
  path: string,
  { signal, standard = writeTo }: { signal?: AbortSignal | undefined; standard?: typeof writeTo } = {},
): Promise<Sink> {
  const fd = descriptorOf(path);
  if (fd === 1) return streamSink(process.stdout, standard);
  if (fd === 2) return streamSink(process.stderr, standard);
  const found = await statOf(path);
  if (found === undefined) return openReplacement(await targetOf(path), undefined);
  if (found.isDirectory()) throw Object.assign(new Error('is a directory'), { code: 'EISDIR' });
  if (found.isFIFO()) return pipeSink(await openPipe(path, signal));
  if (!found.isFile()) return handleSink(await open(path, O_WRONLY | O_NOCTTY));
  // A file that the shell opened (3>>log): only its own descriptor knows the position.
  if (fd !== undefined) return descriptorSink(fd);
  // A file that may not be written must not be replaced either.
  await access(path, constants.W_OK);
  if (keepsIdentity(found)) {
    try {
      return await openReplacement(await realpath(path), found);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // A writable file in a directory that is not writable.
      if (code !== 'EACCES' && code !== 'EPERM' && code !== 'EROFS') throw error;
    }
  }
  return handleSink(await open(path, O_WRONLY | O_TRUNC));
}

/**
 * Whether the target is a file, existing or new, that is replaced when its content is complete; see `openSink`.
 * @throws NodeJS.ErrnoException EISDIR for a directory, and others of the system
 */
export async function isReplaced(path: string): Promise<boolean> {
  if (descriptorOf(path) !== undefined) return false;
  const found = await statOf(path);
  if (found?.isDirectory()) throw Object.assign(new Error('is a directory'), { code: 'EISDIR' });
  return found === undefined || (found.isFile() && keepsIdentity(found));
}

/**
 * Whether a target is a regular file that is one of the inputs, also by a link, a second name or a descriptor.
 * @param inputs their paths, or descriptors
 */
export async function isOneOf(path: string, inputs: readonly (string | number)[]): Promise<boolean> {
  const target = await statsOf(descriptorOf(path) ?? path);
  if (target?.isFile() !== true) return false;
  for (const input of inputs) {
    const source = await statsOf(input);
    if (source?.dev === target.dev && source.ino === target.ino) return true;
  }
  return false;
}

/** Undefined for what does not exist: that is reported where it is opened. */
async function statsOf(file: string | number): Promise<Stats | undefined> {
  try {
    return typeof file === 'number' ? fstatSync(file) : await stat(file);
  } catch {
    return undefined;
  }
}

/** The descriptor number of `/dev/fd/3`, `/dev/stdout` and similar. */
function descriptorOf(path: string): number | undefined {
  const named = /^\/(?:dev|proc\/self)\/fd\/(\d+)$/.exec(path);
  if (named !== null) return Number(named[1]);
  return path === '/dev/stdout' ? 1 : path === '/dev/stderr' ? 2 : undefined;
}

/**
 * Whether a replacement would be equivalent: the file has one name, and an owner and group that we may set.
 */
function keepsIdentity(found: Stats): boolean {
  if (found.nlink !== 1) return false;
  const uid = process.geteuid?.();
  if (uid === undefined || uid === 0) return true;
  const groups = [process.getegid?.(), ...(process.getgroups?.() ?? [])];
  return found.uid === uid && groups.includes(found.gid);
}

async function statOf(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** The file that does not exist yet: where a link points, else the path itself. */
async function targetOf(path: string): Promise<string> {
  let target = path;
  for (let links = 0; links < MOST_LINKS; links++) {
    const link = await readlink(target).catch(() => undefined);
    if (link === undefined) return target;
    target = resolve(dirname(target), link);
  }
  throw Object.assign(new Error('too many links'), { code: 'ELOOP' });
}

/**
 * Opens a pipe for writing once it has a reader. Without O_NONBLOCK, the wait would block a thread that no
 * signal reaches, and thereby the end of the process.
 */
async function openPipe(path: string, signal: AbortSignal | undefined): Promise<number> {
  for (;;) {
    signal?.throwIfAborted();
    try {
      return openSync(path, O_WRONLY | O_NONBLOCK);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENXIO') throw error;
      await sleep(READER_MS);
    }
  }
}

/** A pipe is written by the event loop: it is non-blocking, and its reader may be slow or leave. */
function pipeSink(fd: number): Sink {
  const socket = new Socket({ fd, readable: false, writable: true });
  let failure: Error | undefined;
  socket.on('error', (error) => {
    failure ??= error;
  });
  const closed = new Promise<void>((done) => socket.once('close', () => done()));
  return {
    write: (data) => writeTo(socket, data),
    commit: async () => {
      socket.end();
      await closed;
      if (failure !== undefined) throw failure;
    },
    discard: async () => {
      socket.destroy();
      await closed;
    },
  };
}

function handleSink(handle: FileHandle): Sink {
  return {
    write: (data) => handle.writeFile(data),
    commit: () => handle.close(),
    discard: () => handle.close().catch(() => undefined),
  };
}

/** A descriptor passed to us stays open: it is not ours. */
async function descriptorSink(fd: number): Promise<Sink> {
  const { createWriteStream } = await import('node:fs');
  const stream = createWriteStream('', { fd, autoClose: false });
  stream.on('error', () => undefined);
  return streamSink(stream, writeTo);
}

function streamSink(stream: WritableTo, write: typeof writeTo): Sink {
  return {
    write: (data) => write(stream, data),
    commit: async () => undefined,
    discard: async () => undefined,
  };
}
