import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import type { HistoryEvent } from './records.js';

/** Append-only, one JSON object per line, written before the next step: a kill loses nothing. */
export class HistoryWriter {
  private readonly file: number;

  constructor(
    path: string,
    private readonly process: string,
    /** How far this process's clock is ahead, ms: a history uses one clock. */
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

/** Merges the histories of several processes in order of time. */
export function readHistories(paths: readonly string[]): HistoryEvent[] {
  return paths
    .flatMap((path) => readFileSync(path, 'utf8').split('\n'))
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as HistoryEvent)
    .sort((a, b) => a.t - b.t);
}
