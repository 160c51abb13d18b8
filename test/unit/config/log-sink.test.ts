import { describe, expect, it } from 'vitest';
import { createLogger } from '../../../src/lib/telemetry/logger.js';

type Done = (error?: Error | null) => void;

/** A stream that fails or stalls on request. */
class Weak {
  readonly lines: string[] = [];
  writableLength = 0;
  fails = false;

  write(text: string, done?: Done): void {
    if (!this.fails) this.lines.push(text);
    done?.(this.fails ? new Error('ENOSPC') : undefined);
  }

  get messages(): unknown[] {
    return this.lines.map((line) => {
      const { msg, lines } = JSON.parse(line) as { msg: string; lines?: number };
      return lines === undefined ? msg : [msg, lines];
    });
  }
}

const LOST = 'log lines could not be written and are lost';

describe('a log sink', () => {
  it.each([
    [
      'that fails',
      (stream: Weak, bad: boolean) => {
        stream.fails = bad;
      },
    ],
    [
      'whose reader has stalled',
      (stream: Weak, bad: boolean) => {
        stream.writableLength = bad ? 2 ** 21 : 0;
      },
    ],
  ])('%s drops lines and reports their number once it works again', (_, make) => {
    const stream = new Weak();
    const log = createLogger({ level: 'info', stream });
    log.info('one');
    make(stream, true);
    for (let i = 0; i < 5; i++) log.info('lost');
    make(stream, false);
    log.info('two');
    log.info('three');
    expect(stream.messages).toEqual(['one', 'two', [LOST, 5], 'three']);
  });
});
