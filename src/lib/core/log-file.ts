import {
  closeSync,
  copyFileSync,
  fstatSync,
  openSync,
  readSync,
  renameSync,
  statSync,
  truncateSync,
} from 'node:fs';
import { printable } from './job.js';

const TAIL_BYTES = 4096;
const LINE_MAX = 200;

/** The last `count` lines of a log, at most 200 characters each; none when there is no log. */
export function lastLogLines(file: string, count: number): string[] {
  let fd: number;
  try {
    fd = openSync(file, 'r');
  } catch {
    return [];
  }
  try {
    const size = fstatSync(fd).size;
    const buffer = Buffer.alloc(Math.min(size, TAIL_BYTES));
    readSync(fd, buffer, 0, buffer.length, Math.max(0, size - TAIL_BYTES));
    const lines = buffer
      .toString('utf8')
      .split('\n')
      .filter((line) => line.trim() !== '');
    return lines.slice(-count).map((line) => printable(line).slice(0, LINE_MAX));
  } finally {
    closeSync(fd);
  }
}

/** Before a program starts: renames a log of more than `maxBytes` to `<file>.old`. */
export function rotateLog(file: string, maxBytes: number): void {
  if (sizeOf(file) > maxBytes) renameSync(file, `${file}.old`);
}

/**
 * The same for a log that a running program keeps open: the lines so far are copied to `<file>.old` and the
 * file is truncated. Lines written between the two steps are lost. The program must have opened it for
 * appending.
 */
export function boundOpenLog(file: string, maxBytes: number): void {
  if (sizeOf(file) <= maxBytes) return;
  copyFileSync(file, `${file}.old`);
  truncateSync(file);
}

function sizeOf(file: string): number {
  try {
    return statSync(file).size;
  } catch {
    return 0;
  }
}
