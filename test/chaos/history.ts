import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import type { HistoryEvent } from './records.js';

/** Append-only, one JSON object a line, written before the next step is taken: a kill loses nothing. */
export class HistoryWriter {
  private readonly file: number;

  constructor(
    path: string,
    private readonly process: string,
    /** By how much this process's clock is ahead, ms: a history has one time. */
    private readonly skewMs = 0,
  ) {
    this.file = openSync(path, 'a');
  }

  add(event: Omit<HistoryEvent, 't' | 'process'>): void {
    writeSync(
      this.file,
      `${JSON.stringify({ t: Date.now() - this.skewMs, process: this.process, ...event })}\n`,
    );
  }

  close(): void {
    closeSync(this.file);
  }
}

/** Histories of several processes as one, in order of time. */
export function readHistories(paths: readonly string[]): HistoryEvent[] {
  return paths
    .flatMap((path) => readFileSync(path, 'utf8').split('\n'))
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as HistoryEvent)
    .sort((a, b) => a.t - b.t);
}
