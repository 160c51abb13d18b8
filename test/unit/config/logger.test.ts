import { describe, expect, it } from 'vitest';
import { createLogger, rateLimiter } from '../../../src/lib/telemetry/logger.js';

function capture(options: { pretty?: boolean; level?: 'info' | 'debug' } = {}) {
  const lines: string[] = [];
  const stream = { write: (text: string) => lines.push(text) };
  const log = createLogger({
    level: options.level ?? 'info',
    stream,
    pretty: options.pretty ?? false,
    base: { worker: 'w1' },
  });
  return { log, lines, last: () => JSON.parse(lines.at(-1) ?? '{}') as Record<string, unknown> };
}

describe('the logger', () => {
  it('writes JSON lines with the level by name', () => {
    const { log, last } = capture();
    log.info({ job: 'j1' }, 'done');
    expect(last()).toMatchObject({ level: 'info', worker: 'w1', job: 'j1', msg: 'done' });
  });

  it('redacts secrets and payloads at any depth and masks credentials in text', () => {
    const { log, lines } = capture();
    const secret = {
      redisUrl: 'redis://u:hunter2@h',
      a: { password: 'hunter2', list: [{ input: [1], token: 'hunter2' }] },
    };
    log.warn(secret, 'lost redis://u:hunter2@h:6379');
    log.child({ url: 'redis://u:hunter2@h' }).info('x');
    log.error({
      err: Object.assign(new Error('at redis://u:hunter2@h'), { payload: 'hunter2' }),
      data: 'hunter2',
    });
    expect(lines.join('')).not.toContain('hunter2');
    expect(lines.join('')).not.toMatch(/\n\s+at /);
    expect(lines[0]).toContain('lost redis://***@h:6379');
  });

  it('rounds measurements to significant digits', () => {
    const { log, last } = capture();
    log.info(
      { ms: 12.345678901234, long: 98765.4321, whole: 1795841426799, list: [0.30000000000000004], none: 0 },
      'x',
    );
    expect(last()).toMatchObject({ ms: 12.35, long: 98765, whole: 1795841426799, list: [0.3], none: 0 });
  });

  it('neutralises control characters', () => {
    const { log, last } = capture();
    log.info({ job: 'a\u001b[2Jb' }, 'x\u001b[31my');
    expect(last()).toMatchObject({ job: 'a\\x1b[2Jb', msg: 'x\\x1b[31my' });
  });

  it('writes short lines for terminals, uncoloured unless asked', () => {
    const { log, lines } = capture({ pretty: true });
    log.info({ queues: ['realtime'], took: '3 ms' }, 'worker ready');
    log.debug('hidden');
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(
      /^\d\d:\d\d:\d\d info {2}worker ready {2}worker=w1 queues=\["realtime"\] took="3 ms"\n$/,
    );
  });
});

describe('rateLimiter', () => {
  it('passes once per period and key, and counts suppressed lines', () => {
    let now = 0;
    const limiter = rateLimiter(1000, () => now);
    expect([limiter.pass('a'), limiter.pass('a'), limiter.pass('b'), limiter.pass('a')]).toEqual([
      0,
      undefined,
      0,
      undefined,
    ]);
    now = 1000;
    expect(limiter.pass('a')).toBe(2);
  });
});
