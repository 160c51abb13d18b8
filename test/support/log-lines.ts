import { createLogger, type Logger } from '../../src/lib/telemetry/logger.js';

export interface LogLine {
  level: string;
  msg: string;
  reason?: string;
  [field: string]: unknown;
}

/** A worker's log, kept in memory. */
export interface LogLines {
  readonly log: Logger;
  readonly text: string;
  /** Warnings and errors. */
  readonly troubles: LogLine[];
}

export function keepLog(): LogLines {
  let text = '';
  const stream = {
    write: (line: string) => {
      text += line;
    },
  };
  return {
    log: createLogger({ level: 'debug', stream, pretty: false }),
    get text() {
      return text;
    },
    get troubles() {
      const lines = text.split('\n').filter((line) => line !== '');
      return lines
        .map((line) => JSON.parse(line) as LogLine)
        .filter(({ level }) => level === 'warn' || level === 'error');
    },
  };
}
