import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { specOf } from '../../../src/lib/client/spec.js';
import type { SubmitOptions } from '../../../src/lib/client/types.js';
import { waitFor } from '../../../src/lib/client/waiting.js';
import { SETTING_NAMES, settingOf } from '../../../src/lib/config/settings.js';
import { BOUNDS } from '../../../src/lib/core/bounds.js';
import { InferError } from '../../../src/lib/core/errors.js';
import { fromJobData } from '../../../src/lib/queue/job-data.js';
import { digits } from '../input/signatures.js';

const HUGE = '9999999999999999';

describe('numeric settings', () => {
  it.each(SETTING_NAMES.filter((name) => /whole number|duration/.test(settingOf(name).rule.text)))(
    'reject a number that Redis or a timer cannot hold: %s',
    (name) => {
      const { rule } = settingOf(name);
      expect(rule.read(HUGE)).toBeUndefined();
      expect(rule.read(Number(HUGE))).toBeUndefined();
      expect(rule.read('-1')).toBeUndefined();
      expect(rule.read(rule.example)).toBeDefined();
    },
  );
});

/** Text here: filters of jobs, which `parseJobFilter` parses, and a size that may be a share of the memory. */
const READ_LATER = new Set(['older-than', 'maxmemory']);

describe('numeric flags of commands', async () => {
  const folder = join(import.meta.dirname, '../../../src/commands');
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith('.ts'),
  );
  const numeric: [string, string, (text: string) => Promise<unknown>][] = [];
  for (const path of paths) {
    const module = (await import(join(folder, path))) as { default?: { flags?: Record<string, unknown> } };
    const flags = module.default?.flags ?? {};
    for (const [name, flag] of Object.entries(flags)) {
      const { helpValue, parse } = flag as {
        helpValue?: string;
        parse(...args: unknown[]): Promise<unknown>;
      };
      if (!/^(?:<time>|\[time\]|<n>|<size>|\d+\.\.\d+)$/.test(helpValue ?? '') || READ_LATER.has(name))
        continue;
      // Flags of settings are text here: their rule is tested above.
      if (SETTING_NAMES.some((one) => settingOf(one).flag === name)) continue;
      numeric.push([path, name, (text) => parse.call(flag, text, {}, flag)]);
    }
  }

  it('are found by this test', () => {
    expect(numeric.length).toBeGreaterThan(40);
    expect(numeric.map(([, name]) => name)).toEqual(
      expect.arrayContaining(['expires', 'delay', 'wait', 'limit']),
    );
  });

  it.each(numeric)('reject 9999999999999999: %s --%s', async (_path, _name, parse) => {
    const error: unknown = await parse(HUGE).then(
      (value) => value,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(Error);
    if (error instanceof InferError) expect(error.exitCode).toBe(2);
  });
});

describe('numeric options of the library', () => {
  const NUMBERS: [keyof SubmitOptions, string][] = [
    ['resultTtl', 'RESULT_TTL_RANGE'],
    ['expiresMs', 'EXPIRES_RANGE'],
    ['delayMs', 'DELAY'],
    ['retries', 'RETRIES_RANGE'],
    ['retryDelayMs', 'RETRY_DELAY_RANGE'],
    ['timeLimitMs', 'TIME_LIMIT_RANGE'],
    ['softTimeLimitMs', 'TIME_LIMIT_RANGE'],
    ['priority', 'PRIORITY_RANGE'],
  ];
  const spec = (options: SubmitOptions) => specOf(1, digits, options, { resultTtl: 60, now: Date.now() });

  it.each(
    NUMBERS.flatMap(([name, code]) =>
      [Number(HUGE), -1, Number.NaN, Number.POSITIVE_INFINITY].map((value) => [name, value, code] as const),
    ),
  )('are rejected out of range: %s %s with %s', (name, value, code) => {
    expect(() => spec({ [name]: value })).toThrow(expect.objectContaining({ code, exitCode: 2 }));
  });

  it('accept the bounds themselves', () => {
    expect(
      spec({ resultTtl: BOUNDS.keepS.max, retries: 100, expiresMs: BOUNDS.expiresMs.max }),
    ).toMatchObject({
      resultTtl: BOUNDS.keepS.max,
      attempts: 101,
    });
  });

  it('allow a wait of months, which sleeps instead of firing at once', async () => {
    const ending = new AbortController();
    const deadline = Date.now() + 60 * 86_400_000;
    let woken = false;
    const waiting = waitFor(new Promise(() => undefined), { id: 'x', deadline, signal: ending.signal }).then(
      () => (woken = true),
      () => undefined,
    );
    // A timer beyond 2^31 ms runs at 1 ms, so before this one.
    await new Promise((resolve) => setTimeout(resolve, 50));
    ending.abort();
    await waiting;
    expect(woken).toBe(false);
  });
});

describe('job data written by other code', () => {
  it('is clamped to the bounds', () => {
    const s = {
      model: 'm',
      rows: 'many',
      priority: 77,
      resultTtl: 1e16,
      timeLimitMs: 9e15,
      softTimeLimitMs: 0.2,
      attempts: -4,
      retryDelayMs: 'soon',
      deadline: null,
      reply: 7,
    };
    expect(fromJobData(JSON.stringify({ s }), 'j1', 'q')?.spec).toEqual({
      id: 'j1',
      queue: 'q',
      model: 'm',
      rows: 1,
      priority: 9,
      resultTtl: BOUNDS.keepS.max,
      timeLimitMs: BOUNDS.timeLimitMs.max,
      softTimeLimitMs: 1,
      attempts: 1,
      retryDelayMs: undefined,
    });
  });
});
