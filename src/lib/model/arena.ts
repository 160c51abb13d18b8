import { closeSync, openSync, statfsSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Payload } from './tensor.js';

/** Memory files are created here on Linux; elsewhere tensors are sent through the pipe. */
const MEMORY_DIR = '/dev/shm';
/** Twice the maximum that one run may take: the next micro-batch is staged while one runs. */
const ARENA_BYTES = 32 * 1024 * 1024;
/** Below this size a tensor is faster inside its frame: one more system call costs about 10 us. */
const STAGED_FROM_BYTES = 32 * 1024;

/**
 * Memory that a worker shares with its runners, for large input tensors. Inputs are copied in when their job
 * is taken, while the runner is busy, so between two runs the runner only receives their locations: sending
 * 440 KB through the pipe took 0.6 ms, during which the device was idle, and kept two event loops busy. The
 * file is unlinked from the start, so nothing is left behind whichever process dies.
 */
export class Arena {
  /** Free ranges, by offset; adjacent ones are merged. */
  private readonly free: { from: number; to: number }[];

  private constructor(
    readonly fd: number,
    bytes: number,
  ) {
    this.free = [{ from: 0, to: bytes }];
  }

  /** Undefined if there is no memory file system, or too little room in it (64 MB in most containers). */
  static open(bytes = ARENA_BYTES, dir = MEMORY_DIR): Arena | undefined {
    if (process.platform !== 'linux') return undefined;
    try {
      const { bavail, bsize } = statfsSync(dir);
      if (bavail * bsize < bytes) return undefined;
      const path = join(dir, `infer-${process.pid}-${Math.random().toString(36).slice(2)}`);
      const fd = openSync(path, 'wx+', 0o600);
      unlinkSync(path);
      return new Arena(fd, bytes);
    } catch {
      return undefined;
    }
  }

  /**
   * Copies the large tensors of a payload into the arena, as far as there is room, and records their
   * locations.
   */
  stage(payload: Payload): void {
    for (const tensor of payload.tensors) {
      if (tensor.data.byteLength < STAGED_FROM_BYTES || tensor.staged !== undefined) continue;
      const at = this.allot(tensor.data.byteLength);
      if (at === undefined) return;
      try {
        writeAll(this.fd, tensor.data, at);
      } catch {
        // The file system is full: these are sent through the pipe.
        this.giveBack(at, tensor.data.byteLength);
        return;
      }
      tensor.staged = at;
    }
  }

  /** Frees what `stage` took for this payload object (not a slice of it). No runner may still need it. */
  release(payload: Payload): void {
    for (const tensor of payload.tensors) {
      if (tensor.staged === undefined) continue;
      this.giveBack(tensor.staged, tensor.data.byteLength);
      delete tensor.staged;
    }
  }

  close(): void {
    closeSync(this.fd);
  }

  private allot(bytes: number): number | undefined {
    const index = this.free.findIndex(({ from, to }) => to - from >= bytes);
    const range = this.free[index];
    if (range === undefined) return undefined;
    const at = range.from;
    range.from += bytes;
    if (range.from === range.to) this.free.splice(index, 1);
    return at;
  }

  private giveBack(from: number, bytes: number): void {
    const to = from + bytes;
    let index = this.free.findIndex((range) => range.from >= to);
    if (index === -1) index = this.free.length;
    const before = this.free[index - 1];
    const after = this.free[index];
    if (before?.to === from) {
      before.to = to;
      if (after?.from === to) {
        before.to = after.to;
        this.free.splice(index, 1);
      }
    } else if (after?.from === to) after.from = from;
    else this.free.splice(index, 0, { from, to });
  }
}

function writeAll(fd: number, data: Uint8Array, at: number): void {
  for (let done = 0; done < data.byteLength; ) {
    done += writeSync(fd, data, done, data.byteLength - done, at + done);
  }
}
