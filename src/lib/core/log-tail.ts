import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';
import { setTimeout as delay } from 'node:timers/promises';

const PIECE_BYTES = 64 << 10;
const POLL_MS = 200;
const NEWLINE = 10;

/** Where the last `count` lines of a file begin, and where it ends; null when there is no file. */
function tailRange(file: string, count: number): { from: number; to: number } | null {
  let fd: number;
  try {
    fd = openSync(file, 'r');
  } catch {
    return null;
  }
  try {
    const to = fstatSync(fd).size;
    const buffer = Buffer.alloc(PIECE_BYTES);
    // The newline that ends the last line does not begin another.
    let left = count;
    for (let end = to; end > 0; ) {
      const begin = Math.max(0, end - PIECE_BYTES);
      const read = readSync(fd, buffer, 0, end - begin, begin);
      for (let at = read - 1; at >= 0; at--) {
        if (buffer[at] !== NEWLINE || begin + at === to - 1) continue;
        left -= 1;
        if (left === 0) return { from: begin + at + 1, to };
      }
      end = begin;
    }
    return { from: count === 0 ? to : 0, to };
  } finally {
    closeSync(fd);
  }
}

/**
 * The last `count` lines of a log, including those before a rotation (`<file>.old`) if the log has fewer.
 * @returns the lines, and where the log ends, for `followLog`; null when there is no log.
 */
export function tailLog(file: string, count: number): { lines: string[]; end: number } | null {
  const range = tailRange(file, count);
  if (range === null) return null;
  const lines = linesOf(file, range.from, range.to);
  const missing = count - lines.length;
  const before = missing > 0 ? tailRange(`${file}.old`, missing) : null;
  const older = before === null ? [] : linesOf(`${file}.old`, before.from, before.to);
  return { lines: [...older, ...lines], end: range.to };
}

function linesOf(file: string, from: number, to: number): string[] {
  const lines = readRange(file, from, to).toString('utf8').split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

function readRange(file: string, from: number, to: number): Buffer {
  const fd = openSync(file, 'r');
  try {
    const buffer = Buffer.alloc(Math.max(0, to - from));
    return buffer.subarray(0, readSync(fd, buffer, 0, buffer.length, from));
  } finally {
    closeSync(fd);
  }
}

/**
 * Lines appended to a log after `from`, until `signal` fires. A log that became shorter was truncated
 * (`boundOpenLog`) and is read from its beginning; a missing one is waited for.
 */
export async function* followLog(
  file: string,
  from: number,
  signal: AbortSignal,
): AsyncGenerator<string, void, undefined> {
  let at = from;
  let decoder = new StringDecoder('utf8');
  let rest = '';
  while (!signal.aborted) {
    const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
    if (size < at) {
      at = 0;
      rest = '';
      decoder = new StringDecoder('utf8');
    }
    if (size > at) {
      const piece = readRange(file, at, Math.min(size, at + PIECE_BYTES));
      at += piece.length;
      const lines = (rest + decoder.write(piece)).split('\n');
      rest = lines.pop() ?? '';
      yield* lines;
      if (size > at) continue;
    }
    await delay(POLL_MS, undefined, { signal }).catch(() => undefined);
  }
}
